"""Slack: the provider, the models of its events, and samples."""

from sources.providers.slack.provider import SLACK

__all__ = ["SLACK"]
