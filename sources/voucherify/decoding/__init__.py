"""From the raw body to an event."""
