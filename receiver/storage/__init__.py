"""Where accepted webhooks are written: Redis, or the disk while Redis cannot take them."""
