"""The composition root: reads the config, builds the parts, and is the `hookline` command."""
