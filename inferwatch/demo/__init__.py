"""The demo: a real model on real flights, an injected incident, and what on-call would see.

It starts the same commands as a user would, as processes, with a config file that it leaves
behind. No module outside this package knows it.
"""
