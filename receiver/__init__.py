"""Receives webhooks over HTTP and writes them to Redis as bytes; the worker decodes them to events."""
