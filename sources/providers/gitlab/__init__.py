"""GitLab: the provider, the models of its events, and samples."""

from sources.providers.gitlab.provider import GITLAB

__all__ = ["GITLAB"]
