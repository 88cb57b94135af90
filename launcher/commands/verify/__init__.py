"""`hookline verify`: shows step by step why a captured request is accepted or rejected."""
