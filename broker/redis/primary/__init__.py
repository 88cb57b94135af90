"""Finds the server that has the keys: asks the sentinels, or the nodes of a cluster."""
