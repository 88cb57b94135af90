"""HTTP to broker. Never decodes a body."""
