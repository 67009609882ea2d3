"""The contract's rules for single fields: what is taken, what becomes of it, what is rejected."""
