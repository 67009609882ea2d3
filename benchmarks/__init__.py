"""One question a file, each measured beside its yardstick in the same run."""
