"""How terminals, pages and the API show data."""
