"""Calls of code that cannot be trusted to end: bounded in number, and waited for no longer than the time-out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

Release = Callable[[], None]
"""Frees the seat. To be called once, in the event loop, when the call has really ended."""


class BoundedExecutor:
    """At most `limit` calls at a time. One that outlives its time-out keeps its seat until it really ends."""

    def __init__(self, limit: int, *, timeout_s: float) -> None:
        self._free = asyncio.Semaphore(limit)
        self._timeout_s = timeout_s

    async def run(self, start: Callable[[Release], asyncio.Future[T]]) -> T:
        """What the call that `start` starts gives or raises. Raises TimeoutError, seats that hang included."""
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        async with asyncio.timeout_at(deadline):
            await self._free.acquire()
        call = start(self._free.release)
        try:
            await asyncio.wait({call}, timeout=deadline - asyncio.get_running_loop().time())
            if not call.done():
                raise TimeoutError
            return call.result()
        finally:
            call.cancel()


def in_task(call: Callable[[], asyncio.Task[T]]) -> Callable[[Release], asyncio.Future[T]]:
    """Runs it as a task, which is cancelled at the time-out; it may take its time to obey."""

    def start(release: Release) -> asyncio.Future[T]:
        task = call()
        task.add_done_callback(lambda _: release())
        return task

    return start


def in_thread(call: Callable[[], T]) -> Callable[[Release], asyncio.Future[T]]:
    """Runs it in a thread of its own, which the time-out cannot end, nor does it keep the process from ending."""

    def start(release: Release) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def report(result: T | None, error: BaseException | None) -> None:
            release()
            if future.done():
                return
            if error is None:
                future.set_result(result)  # type: ignore[arg-type]
            else:
                future.set_exception(error)

        def run() -> None:
            result, error = None, None
            try:
                result = call()
            except Exception as caught:  # noqa: BLE001 - raised again where it is waited for
                error = caught
            except BaseException as caught:  # noqa: BLE001 - an exit in a thread is no exit of the process
                error = RuntimeError(f"{type(caught).__name__}: {caught}")
            try:
                loop.call_soon_threadsafe(report, result, error)
            except RuntimeError:
                return  # the event loop is closed: nobody waits any more

        threading.Thread(target=run, name="hookline-channel", daemon=True).start()
        return future

    return start
