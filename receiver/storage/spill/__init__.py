"""Webhooks on this machine's disk for as long as Redis cannot take them."""
