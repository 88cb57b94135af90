"""The declarations of all keys in Redis. broker/redis/keys.py puts them together."""
