"""What the sidecar understands: one protocol a file, told apart by `recognise`."""
