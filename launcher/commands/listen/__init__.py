"""`hookline listen`: shows webhooks as they arrive, and stores nothing."""
