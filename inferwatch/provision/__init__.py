"""The topics on the broker: what each should be, what it is, and making the one the other."""
