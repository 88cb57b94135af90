"""Authentication, routing and responses, which the pages and the API share. Imports neither of them."""
