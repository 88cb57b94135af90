"""Counts the instructions of the hot paths, and compares them with recorded counts: `make bench-check`."""
