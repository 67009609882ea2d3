"""One module a subcommand; each has its click command as `command`."""
