"""State in Redis: the truth for how far each partition is counted."""
