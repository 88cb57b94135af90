"""From the connection to a verified body."""
