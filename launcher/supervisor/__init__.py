"""Starts, restarts, reloads and stops child processes in order."""
