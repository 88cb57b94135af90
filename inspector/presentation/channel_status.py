"""How a channel does, for terminals and as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.text import Text

from broker.queue.channel_state import Channel
from inspector.formatting import count_of, span


def channel_records(found: list[Channel], now_ms: int) -> list[dict[str, Any]]:
    """Every field of each, and its state in a word."""
    return [{**msgspec.to_builtins(one), "state": one.state(now_ms)} for one in found]


def channel_line(one: Channel, now_ms: int) -> Text:
    """How one channel does, and what waits for it."""
    state = one.state(now_ms)
    line = Text()
    match state:
        case "closed":
            line.append("takes notifications", style="green")
        case "paused":
            line.append(f"paused for {span(now_ms - one.paused_since_ms)}", style="yellow")
        case "open":
            line.append(f"breaker open, tried again in {span(one.open_until_ms - now_ms)}", style="red")
        case "half-open":
            line.append("breaker half-open: one job tries", style="yellow")
    if one.failures:
        line.append(f", {count_of(one.failures, 'failure')} in a row")
    if one.held:
        line.append(f", {count_of(one.held, 'job')} held")
    return line
