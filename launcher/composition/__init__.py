"""Builds the parts from the config and runs them."""
