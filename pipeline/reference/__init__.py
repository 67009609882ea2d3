"""References: built from tables, published, and found again for each row and window."""
