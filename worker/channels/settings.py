"""`[channels.NAME]` sections: one struct a kind of channel, told apart by `kind`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from worker.retry import RetrySettings


class BreakerSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A channel's `breaker` table: when all workers leave a sick channel alone."""

    failures: Annotated[int, Meta(ge=1)] = 5
    """Failures in a row after which it opens."""

    wait_s: Annotated[float, Meta(gt=0)] = 30.0
    """Seconds that it stays open the first time; they double each time a probe fails."""

    max_wait_s: Annotated[float, Meta(gt=0)] = 600.0
    """Upper bound of that wait."""


class CommonSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every kind of channel has."""

    concurrency: Annotated[int, Meta(ge=1)] = 64
    """Sends at a time in one worker process."""

    rate_per_s: Annotated[float, Meta(ge=0)] = 0.0
    """Sends a second of all workers together; 0 for as many as it takes."""

    retry: RetrySettings = msgspec.field(default_factory=RetrySettings)
    breaker: BreakerSettings = msgspec.field(default_factory=BreakerSettings)


class ConsoleSettings(CommonSettings, frozen=True, tag_field="kind", tag="console"):
    """Prints each notification, one a line."""


class HttpSettings(CommonSettings, frozen=True, tag_field="kind", tag="http"):
    """POSTs each notification as JSON."""

    url: Annotated[str, Meta(pattern="^https?://")]
    """Where to POST."""

    headers: dict[str, str] = {}
    """Further headers."""

    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 10.0
    """Seconds for the whole exchange; a time-out is tried again."""


ChannelSettings = ConsoleSettings | HttpSettings

DEFAULT_CHANNELS: dict[str, ChannelSettings] = {"console": ConsoleSettings()}
"""Always there; the config may add to them."""
