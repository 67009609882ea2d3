"""The events of the contract, one a file, and the two encodings they travel in."""
