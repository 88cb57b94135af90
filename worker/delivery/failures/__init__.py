"""The reports of failed attempts: a few words for status and alerts, and lines of the log."""
