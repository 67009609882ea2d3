"""`inferwatch top`: the system, live in a terminal."""
