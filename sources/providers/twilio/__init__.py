"""Twilio: the provider, the models of its events, and samples."""

from sources.providers.twilio.provider import TWILIO

__all__ = ["TWILIO"]
