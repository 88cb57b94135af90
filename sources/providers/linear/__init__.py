"""Linear: the provider, the models of its events, and samples."""

from sources.providers.linear.provider import LINEAR

__all__ = ["LINEAR"]
