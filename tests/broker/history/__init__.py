"""Tests of the history of events, on a real Redis."""
