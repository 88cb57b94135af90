"""Moves the data of a namespace to another number of partitions, while receivers go on accepting webhooks."""
