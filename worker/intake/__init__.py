"""From a batch in the stream to jobs: decode, deduplicate, route."""
