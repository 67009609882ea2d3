"""Events wait on disk while Kafka is away.

`entry` is one batch as bytes, `segment` a file of entries, `disk_queue` one topic's files in order,
`claims` who owns which folder, `line` the way of one topic's batches through all that, and `spool`
the thread that moves them.
"""
