"""The tap beside a model server: traffic passes untouched, a copy of it becomes events.

A request's way: `proxy` accepts, `splice` passes the bytes, `tap` copies and finds the exchanges,
`reader` (a thread of its own) decodes them with `protocols` and makes rows, `publisher` sends.
"""
