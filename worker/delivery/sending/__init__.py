"""The sends of messages, and the spans of their attempts."""
