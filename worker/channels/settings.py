"""`[channels.NAME]` sections: one struct a kind of channel, told apart by `kind`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from worker.retry import RetrySettings


class ConsoleSettings(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="console"
):
    """Prints each notification, one a line."""

    retry: RetrySettings = msgspec.field(default_factory=RetrySettings)


class HttpSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="http"):
    """POSTs each notification as JSON."""

    url: Annotated[str, Meta(pattern="^https?://")]
    """Where to POST."""

    headers: dict[str, str] = {}
    """Further headers."""

    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 10.0
    """Seconds for the whole exchange; a time-out is tried again."""

    concurrency: Annotated[int, Meta(ge=1)] = 64
    """Requests at a time in one worker process."""

    retry: RetrySettings = msgspec.field(default_factory=RetrySettings)


ChannelSettings = ConsoleSettings | HttpSettings

DEFAULT_CHANNELS: dict[str, ChannelSettings] = {"console": ConsoleSettings()}
"""Always there; the config may add to them."""
