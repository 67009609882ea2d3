"""Events wait on disk while Kafka is away.

`entry` is one batch as bytes, `segment` a file of entries, `disk_queue` one topic's files in order.
`claims` says who owns which folder, `recovery` what a dead process left there, `partitions` what
Kafka last said of the topics. `line` is the way of one topic's batches through all that, and
`spool` the thread that moves them.
"""
