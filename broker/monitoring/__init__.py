"""Counters, alerts, source health, drift and the audit log."""
