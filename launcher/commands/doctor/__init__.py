"""The command `hookline doctor`: what is wrong with a running installation, and how to fix it."""
