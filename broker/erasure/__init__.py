"""Removes a person's data from everything that Redis keeps."""
