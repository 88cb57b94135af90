"""The Redis server: its version and settings, what it permits, and whether it accepts writes and scripts."""
