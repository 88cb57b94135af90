"""The limits of sends: the concurrency, rate and circuit breakers of channels."""
