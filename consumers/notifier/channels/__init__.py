"""The channels that messages leave by, one a file."""
