"""`hookline check`."""
