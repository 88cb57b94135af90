"""The connection to Redis: client, clock, keys, scripts, errors."""
