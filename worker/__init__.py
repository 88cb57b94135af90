"""Turns queued webhooks into notifications: the arq worker, intake, rules, channels, delivery and retries."""
