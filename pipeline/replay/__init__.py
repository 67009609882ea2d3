"""Replay: the same core over files, without a broker: what it would have said, and when."""
