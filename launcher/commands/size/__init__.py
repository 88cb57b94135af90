"""The command `hookline size`: computes what a deployment needs, from measured figures."""
