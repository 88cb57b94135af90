"""Traces of webhooks: the context that travels with a body, and the spans. Only `tracer` imports OpenTelemetry."""
