"""`hookline dead ...`: find, read, replay, discard, edit and export dead letters."""
