"""The pages of failure groups: the list at /groups, and one group with its forms at /groups/{fingerprint}."""
