"""`inferwatch up`: broker, Redis, worker, notifier and dashboard as one process group."""
