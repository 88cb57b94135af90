"""The pages to log in and out."""
