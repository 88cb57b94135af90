"""HubSpot: the provider, the models of its events, and samples."""

from sources.providers.hubspot.provider import HUBSPOT

__all__ = ["HUBSPOT"]
