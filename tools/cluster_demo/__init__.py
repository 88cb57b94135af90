"""`make cluster-demo`: Hookline on a Redis Cluster on this machine, with failures under load."""
