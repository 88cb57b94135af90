"""The ways to notify."""
