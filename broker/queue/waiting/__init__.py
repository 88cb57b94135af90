"""Notifications that wait: what they wait for, and how many of them there are."""
