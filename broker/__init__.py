"""Everything that is written to Redis, and nothing else."""
