"""The command `hookline send`: which webhooks, how they are sent, and the summary."""
