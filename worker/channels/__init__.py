"""The channels: the ways to notify."""
