"""The dashboard: folds results and alerts into series, and serves them as a page and an API.

Read in this order: `folder` (what happens to a record), `measures` (what of a result is kept),
`catalogue` and `incidents` (the state in memory), `store` (the same in Redis), `api` and `stream`
(what a browser asks for), `service` (how it is put together).
"""
