"""The error of a channel that cannot be opened."""

from __future__ import annotations


class ChannelError(Exception):
    """A setting of the channel cannot work on this host. The message is one line and contains no secret."""

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(reason)
        self.setting = setting
        """The name of the setting."""
