"""Mailgun: the provider, the models of its events, and samples."""

from sources.providers.mailgun.provider import MAILGUN

__all__ = ["MAILGUN"]
