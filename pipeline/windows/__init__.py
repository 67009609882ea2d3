"""Windows: which panes make which window, when a window is final, and what it then says."""
