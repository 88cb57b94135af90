"""Prints notifications, one a line, whatever their texts hold."""

from __future__ import annotations

import asyncio
import sys

from runtime.terminal_text import one_line
from worker.channels.settings import ConsoleSettings
from worker.outcome import Outcome, Retry, Sent
from worker.rules.render import Message

_TIMEOUT_S = 10.0


class ConsoleChannel:
    """Standard output of the worker."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self.retry = settings.retry

    async def send(self, message: Message) -> Outcome:
        """Print it, off the event loop: a terminal or pipe that nobody reads blocks."""
        line = one_line(f"[{message.rule}] {message.text}  ({message.event}, key {message.key[:8]})")
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await asyncio.to_thread(_print, f"{line}\n")
        except TimeoutError:
            error = f"standard output: nobody read it for {_TIMEOUT_S:g} s"
            return Retry(error=error, error_class="TimeoutError")
        except OSError as error:
            return Retry(error=f"standard output: {error}", error_class=type(error).__name__)
        return Sent()

    async def close(self) -> None:
        """Nothing to close."""


def _print(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()
