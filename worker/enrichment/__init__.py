"""Adds data from the provider's API to payloads, for rules with `enrich`."""
