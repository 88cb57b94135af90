"""Runs code that may never return: a bounded number of calls, each with a time-out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from worker.channels.shared_timeout import SharedTimeout

T = TypeVar("T")

End = Callable[[], None]
"""Frees the slot. Must be called once, in the event loop, when the call has really ended."""


class BoundedExecutor:
    """At most `limit` calls at a time. A call that exceeds its time-out keeps its slot until it really ends.

    Must be created in the running event loop.
    """

    def __init__(self, limit: int, *, timeout_s: float) -> None:
        self._free = asyncio.Semaphore(limit)
        self._loop = asyncio.get_running_loop()
        self._timeout = SharedTimeout(timeout_s)

    async def run(self, start: Callable[[End], asyncio.Future[T]]) -> T:
        """Start a call, and return or raise its result. Raises TimeoutError, also while no slot is free."""
        with self._timeout:
            await self._free.acquire()
            ended: asyncio.Future[None] = self._loop.create_future()
            try:
                call = start(partial(self._end, ended))
            except BaseException:
                self._free.release()  # no thread could be started, for example
                raise
            try:
                await ended  # not the call itself: at the time-out it may take long to end
                return call.result()
            finally:
                call.cancel()

    def close(self) -> None:
        """Stop the timer. No call may be under way."""
        self._timeout.close()

    def _end(self, ended: asyncio.Future[None]) -> None:
        self._free.release()
        if not ended.done():
            ended.set_result(None)


def in_task(call: Callable[[], asyncio.Task[T]]) -> Callable[[End], asyncio.Future[T]]:
    """Run a call as a task, which is cancelled at the time-out and may still take time to end."""

    def start(end: End) -> asyncio.Future[T]:
        task = call()
        task.add_done_callback(lambda _: end())
        return task

    return start


def in_thread(call: Callable[[], T]) -> Callable[[End], asyncio.Future[T]]:
    """Run a call in its own thread. The time-out cannot end it; it does not keep the process from ending."""

    def start(end: End) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def report(result: T | None, error: BaseException | None) -> None:
            if not future.done():
                if error is None:
                    future.set_result(result)  # type: ignore[arg-type]
                else:
                    future.set_exception(error)
            end()

        def run() -> None:
            result, error = None, None
            try:
                result = call()
            except Exception as caught:  # noqa: BLE001 - raised again in the caller
                error = caught
            except BaseException as caught:  # noqa: BLE001 - SystemExit in a thread must not end the process
                error = RuntimeError(f"{type(caught).__name__}: {caught}")
            try:
                loop.call_soon_threadsafe(report, result, error)
            except RuntimeError:
                return  # the event loop is closed, so no caller waits for the result

        threading.Thread(target=run, name="hookline-channel", daemon=True).start()
        return future

    return start
