"""An HTTP client that accepts malformed answers."""
