"""`hookline send`."""
