"""Square: the provider, the models of its events, and samples."""

from sources.providers.square.provider import SQUARE

__all__ = ["SQUARE"]
