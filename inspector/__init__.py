"""Dead letters and queue state for people."""
