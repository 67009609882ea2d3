"""Labels from files: read, checked, and published in columnar batches."""
