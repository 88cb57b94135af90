"""What waits: batches in the stream, jobs, and the state that decides when they run."""
