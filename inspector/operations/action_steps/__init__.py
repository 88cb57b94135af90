"""Runs bulk actions: a part for each partition, in chunks of letters."""
