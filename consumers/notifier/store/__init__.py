"""Where the notifier keeps its state, so that a restart changes nothing."""
