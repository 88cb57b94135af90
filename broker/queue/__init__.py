"""The queues: batches in the stream, jobs, and the state that decides when jobs run."""
