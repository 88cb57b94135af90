"""The pages about notifications that wait."""
