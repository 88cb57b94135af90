"""The providers that fit into one module each. docs/providers.md shows how to add one."""
