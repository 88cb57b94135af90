"""Masks personal data, and finds everything that belongs to one person. Pure, no I/O."""
