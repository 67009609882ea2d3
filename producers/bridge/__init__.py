"""The bridge: existing topics of single JSON events, republished in columns.

What is read where: `log_slices` takes records from the client many at a time, `parsing` makes
events of them, `mapping` finds our fields in them, `checking` rejects what cannot be counted,
`batches` writes columns, `lane` keeps the order of one source partition, `app` runs it all.
"""
