"""From a claimed job to the recorded outcome of each of its notifications."""
