"""Adyen: the provider, the models of its events, and samples."""

from sources.providers.adyen.provider import ADYEN

__all__ = ["ADYEN"]
