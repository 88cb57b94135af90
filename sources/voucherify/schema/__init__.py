"""Voucherify's own schema of its webhooks."""
