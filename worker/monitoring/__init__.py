"""Periodic checks of sources, dead letters, clocks and Redis, and the alerts that they raise."""
