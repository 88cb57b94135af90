"""Failure groups, and what people decided about them."""
