"""Functions as a user would write them, well and badly, for the python channel."""

from __future__ import annotations

import asyncio
import sys

from worker.channels.python import Later, Permanent, PythonEvent

calls: list[tuple[PythonEvent, str]] = []
released = asyncio.Event()


async def note(event: PythonEvent, key: str) -> str:
    calls.append((event, key))
    return "not looked at"


async def refuse(_event: PythonEvent, _key: str) -> None:
    raise Permanent("no such\ncustomer")


async def later(_event: PythonEvent, _key: str) -> None:
    raise Later("busy", after_s=90)


async def fail(_event: PythonEvent, _key: str) -> None:
    raise KeyError("field")


async def leave(_event: PythonEvent, _key: str) -> None:
    sys.exit(3)


async def cancel_itself(_event: PythonEvent, _key: str) -> None:
    raise asyncio.CancelledError


async def time_out(_event: PythonEvent, _key: str) -> None:
    raise TimeoutError("the database took too long")


async def hang(_event: PythonEvent, _key: str) -> None:
    await asyncio.Event().wait()


async def deaf(_event: PythonEvent, key: str) -> None:
    """Swallows its cancellation, as a bare `except` does."""
    if key == "k2":
        return
    while not released.is_set():
        try:
            await released.wait()
        except asyncio.CancelledError:
            continue


def plain(_event: PythonEvent, _key: str) -> None: ...


number = 3


class Crm:
    @staticmethod
    async def note(event: PythonEvent, key: str) -> None:
        await note(event, key)
