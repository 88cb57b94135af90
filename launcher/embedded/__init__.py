"""The Redis that `hookline up` starts, and the directory that holds its data."""
