"""The state of a channel, for terminals, pages and as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.text import Text

from broker.queue.channel_state import Channel
from broker.redis.partitions import named
from inspector.formatting import age, count_of, printable


def channel_records(channels: list[Channel], now_ms: int) -> list[dict[str, Any]]:
    """Every field of each channel, and its state in a word."""
    return [{**msgspec.to_builtins(channel), "state": channel.state(now_ms)} for channel in channels]


def channel_line(channel: Channel, now_ms: int) -> Text:
    """The state of a channel, the partitions that have it if others do not, its failures, and its held jobs."""
    line = Text()
    match channel.state(now_ms):
        case "closed":
            line.append("active", style="green")
        case "paused":
            line.append(f"paused for {age(now_ms - channel.paused_since_ms)}", style="yellow")
        case "open":
            line.append(f"circuit breaker open, next probe in {age(channel.open_until_ms - now_ms)}", style="red")
        case "half-open":
            line.append("circuit breaker half-open: probing with one job", style="yellow")
    if channel.only_in_partitions:
        line.append(f", only in {named(channel.only_in_partitions)}")
    if channel.failures:
        line.append(f", {count_of(channel.failures, 'failure')} in a row")
        if channel.cause:
            line.append(f", it {printable(channel.cause)}")
    if channel.held:
        line.append(f", {count_of(channel.held, 'job')} held")
    return line
