"""Decodes raw bodies to events."""
