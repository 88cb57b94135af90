"""Explains, dry-runs and test-sends bodies, without writing anything to Redis."""
