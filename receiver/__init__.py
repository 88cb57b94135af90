"""From HTTP to broker. Bodies are stored as bytes; the worker decodes them to events."""
