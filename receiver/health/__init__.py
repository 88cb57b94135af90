"""Health, readiness and metrics of the receiver, and its reports about rejected webhooks."""
