"""The command `hookline demo`, and the installation that it starts."""
