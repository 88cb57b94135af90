"""Metrics and readiness of receiver, worker and inspector: what a process reports, and how it is served."""
