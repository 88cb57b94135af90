"""Connections, requests and their checks, up to the verified body."""
