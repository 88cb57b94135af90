"""The command `hookline check`: what it examines, and its report."""
