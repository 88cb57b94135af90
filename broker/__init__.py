"""All code that writes to Redis, and nothing else."""
