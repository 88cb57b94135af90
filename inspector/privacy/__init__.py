"""Masking personal data, and finding all that belongs to one person. Pure, no I/O."""
