"""What would become of a body, without writing anything to Redis."""
