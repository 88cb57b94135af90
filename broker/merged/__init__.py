"""Puts together again what is divided among the partitions: one module for each kind of state.

The modules take what `ask_all` read from each partition, or ask the partitions themselves. The read of a single
partition is beside the state that it reads, for example in broker/monitoring/stats.py.
"""
