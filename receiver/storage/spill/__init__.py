"""Keeps webhooks on this machine's disk while Redis does not accept them."""
