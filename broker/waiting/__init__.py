"""Notifications that wait: a list of them, and what a person may do with one of them."""
