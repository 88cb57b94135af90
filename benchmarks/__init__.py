"""Benchmarks of Hookline. Most figures are ratios between two sides that are measured in the same run."""
