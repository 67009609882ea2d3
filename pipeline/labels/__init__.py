"""Labels find predictions: what is kept, how they are joined."""
