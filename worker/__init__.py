"""Broker to event to notifications: the arq worker, intake, rules, channels, retry policy."""
