"""Writes accepted webhooks to Redis, or to the disk while Redis does not accept them."""
