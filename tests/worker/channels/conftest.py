"""E-mail channels that are closed at the end of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.worker.channels.servers import Open
from worker.channels.email.channel import EmailChannel
from worker.channels.settings import EmailSettings


@pytest.fixture
async def channel() -> AsyncIterator[Open]:
    opened: list[EmailChannel] = []

    def open_one(port: int, **settings: Any) -> EmailChannel:
        values = {
            "host": "localhost",
            "sender": "The Shop <shop@example.com>",
            "security": "none",
            "timeout_s": 20.0,
        }
        opened.append(EmailChannel(EmailSettings(port=port, **(values | settings))))
        return opened[-1]

    yield open_one
    for one in opened:
        await one.close()
