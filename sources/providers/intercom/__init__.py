"""Intercom: the provider, the models of its events, and samples."""

from sources.providers.intercom.provider import INTERCOM

__all__ = ["INTERCOM"]
