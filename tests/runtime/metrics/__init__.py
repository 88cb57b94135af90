"""Tests of the metrics and the readiness of processes."""
