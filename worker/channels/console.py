"""Prints notifications, one a line; control characters in their texts are escaped."""

from __future__ import annotations

import asyncio
import sys

from runtime.terminal_text import one_line
from worker.channels.settings import ConsoleSettings
from worker.outcome import Outcome, Retry, Sent
from worker.rules.render import Message

_TIMEOUT_S = 10.0


class ConsoleChannel:
    """Prints to the standard output of the worker."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self.retry = settings.retry

    async def send(self, message: Message) -> Outcome:
        """Print a message on one line."""
        # In a thread, since a terminal or pipe that is not read blocks.
        line = one_line(f"[{message.rule}] {message.text}  ({message.event}, key {message.key[:8]})")
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await asyncio.to_thread(_print, f"{line}\n")
        except TimeoutError:
            error = f"standard output: it was not read for {_TIMEOUT_S:g} s"
            return Retry(error=error, error_class="TimeoutError")
        except OSError as error:
            return Retry(error=f"standard output: {error}", error_class=type(error).__name__)
        return Sent()

    async def close(self) -> None:
        """Do nothing: there is no connection."""


def _print(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()
