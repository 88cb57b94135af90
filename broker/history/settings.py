"""The `[history]` section of the config."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class HistorySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long Hookline remembers what became of each event and of its notifications: `hookline events`."""

    keep_days: Annotated[float, Meta(ge=0, le=3650)] = 7.0
    """Days for which the history is kept. Defaults to 7; with 0 no history is written."""

    max_mb: Annotated[int, Meta(ge=1)] = 256
    """Most megabytes (millions of bytes) of Redis that the history takes, in all partitions together. Beyond it
    the oldest part is removed. Defaults to 256, which is enough for about five million notifications."""

    @property
    def is_on(self) -> bool:
        """Return whether a history is written."""
        return self.keep_days > 0
