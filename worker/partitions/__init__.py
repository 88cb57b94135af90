"""The partitions that a worker process reads, and the loops that it runs for each of them."""
