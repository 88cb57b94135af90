"""Removes a person from dead letters, for `inspector.operations.forget`."""
