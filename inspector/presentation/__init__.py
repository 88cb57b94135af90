"""Data as terminals, pages and the API show it."""
