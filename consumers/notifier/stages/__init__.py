"""The stages that an alert passes, one a file; `consumers/notifier/pipeline.py` has their order."""
