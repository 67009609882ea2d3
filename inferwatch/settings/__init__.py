"""The config: one frozen tree, every mistake of a file at once."""
