"""Compares Hookline with other programs that take webhooks in and notify: `python -m benchmarks.peers`."""
