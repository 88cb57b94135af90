"""Adds data from the provider's API to payloads, where a rule asks for it."""
