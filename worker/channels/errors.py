"""Why a channel cannot be opened."""

from __future__ import annotations


class ChannelError(Exception):
    """One of its settings cannot work here, whatever is sent. The message is one line and shows no secret."""

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(reason)
        self.setting = setting
        """Which one."""
