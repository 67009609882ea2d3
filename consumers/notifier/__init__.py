"""The notifier: alert transitions in, messages to people out."""
