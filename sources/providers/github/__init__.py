"""GitHub: the provider, the models of its events, and samples."""

from sources.providers.github.provider import GITHUB

__all__ = ["GITHUB"]
