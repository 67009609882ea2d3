"""What stands beside model servers and turns their traffic into events.

Light on purpose: the base install and nothing else, so no numpy, no pyarrow, no Redis client.
"""
