"""Correct and faulty functions of users for the python channel."""

from __future__ import annotations

import asyncio
import dataclasses
import sys

from hookline import Notification, Permanent, RetryLater

calls: list[tuple[Notification, str]] = []
released = asyncio.Event()


async def note(notification: Notification, key: str) -> str:
    calls.append((notification, key))
    return "not looked at"


async def change(notification: Notification, key: str) -> None:
    """Change the payload before the model is read."""
    notification.data["customer"]["id"] = "changed"
    calls.append((dataclasses.replace(notification, text="changed"), key))


async def refuse(_notification: Notification, _key: str) -> None:
    raise Permanent("no such\ncustomer")


async def later(_notification: Notification, _key: str) -> None:
    raise RetryLater("busy", after_s=90)


async def fail(_notification: Notification, _key: str) -> None:
    raise KeyError("field")


async def leave(_notification: Notification, _key: str) -> None:
    sys.exit(3)


async def cancel_itself(_notification: Notification, _key: str) -> None:
    raise asyncio.CancelledError


async def time_out(_notification: Notification, _key: str) -> None:
    raise TimeoutError("the database took too long")


async def hang(_notification: Notification, _key: str) -> None:
    await asyncio.Event().wait()


async def deaf(_notification: Notification, key: str) -> None:
    """Ignore the cancellation, as a bare `except` does."""
    if key == "k2":
        return
    while not released.is_set():
        try:
            await released.wait()
        except asyncio.CancelledError:
            continue


def plain(_notification: Notification, _key: str) -> None: ...


number = 3


class Crm:
    @staticmethod
    async def note(notification: Notification, key: str) -> None:
        await note(notification, key)
