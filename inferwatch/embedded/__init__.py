"""A broker and a Redis that come with pip: for a first try, the demo and fast tests."""
