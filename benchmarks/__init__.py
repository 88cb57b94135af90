"""What Hookline costs, each figure as a ratio within one run."""
