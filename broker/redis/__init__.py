"""The access to Redis: connection, client, clock, key names, scripts and errors."""
