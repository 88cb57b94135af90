"""The composition root: reads the config, builds the components, and provides the `hookline` command."""
