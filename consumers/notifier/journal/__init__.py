"""What Redis alone must not hold, in the compacted topic `monitoring.state`."""
