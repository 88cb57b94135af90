"""Tests of traces, from a request to its notifications."""
