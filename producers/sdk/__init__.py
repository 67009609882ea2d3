"""Monitoring from inside of a Python process: `Monitor`, and middleware for ASGI and WSGI.

A caller's thread makes a small record and goes on. What follows is the sidecar's own work, in
threads of this process: reading (`producers.sidecar.reader`), redaction, sampling, batches and
publishing. `inferwatch.sdk` is the name to import from.
"""
