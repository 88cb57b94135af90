"""Waiting for a fact instead of sleeping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(fact: Callable[[], T | Awaitable[T]], *, seconds: float = 60.0) -> T:
    """Return the first truthy value of `fact`; raise AssertionError with the last value after the deadline.

    The deadline is long, so that a busy machine fails no test; `until` returns as soon as the fact is true.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = fact()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s; last seen: {value!r}"
        await asyncio.sleep(0.01)
