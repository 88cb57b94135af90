"""The ways to notify."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from worker.channels.console import ConsoleChannel
from worker.channels.http import HttpChannel
from worker.channels.settings import ChannelSettings, ConsoleSettings
from worker.outcome import Outcome
from worker.render import Message
from worker.retry import RetrySettings


class Channel(Protocol):
    """Carries messages one way."""

    retry: RetrySettings
    slots: asyncio.Semaphore
    """Sends at a time in this process; whoever sends holds one."""

    async def send(self, message: Message) -> Outcome:
        """Try once, within the channel's time-out. Never raises for what the other side does."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


def open_channels(settings: Mapping[str, ChannelSettings]) -> dict[str, Channel]:
    """The channels by name. To be called in the running event loop that will use them."""
    return {name: _open(channel) for name, channel in settings.items()}


def _open(settings: ChannelSettings) -> Channel:
    if isinstance(settings, ConsoleSettings):
        return ConsoleChannel(settings)
    return HttpChannel(settings)
