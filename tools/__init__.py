"""Scripts for maintainers: what they write is committed, and tests check that it is up to date."""
