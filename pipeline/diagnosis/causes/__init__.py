"""One cause a file; each `examine` measures the view and answers, or has nothing to say."""
