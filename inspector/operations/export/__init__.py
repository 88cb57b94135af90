"""Exports of dead letters: what they contain, their files, and their format."""
