"""inferwatch: watches machine-learning models in production.

This package holds what the services share: the events, the topics, the
settings, the errors and the command line. The services themselves live in
`producers`, `pipeline` and `consumers` and never import one another.
"""

__version__ = "0.1.0"
