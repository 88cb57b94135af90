"""SendGrid: the provider, the models of its events, and samples."""

from sources.providers.sendgrid.provider import SENDGRID

__all__ = ["SENDGRID"]
