"""What a worker process may send now: the concurrency, rate and circuit breakers of channels."""
