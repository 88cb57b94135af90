"""Calls a user's async function with each notification.

    from hookline import Notification, Permanent, RetryLater

    async def function(notification: Notification, key: str) -> None: ...

If it returns, the notification is sent, whatever it returns. If it raises, the notification is retried; for
`Permanent` it becomes a dead letter immediately.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from sources.errors import DecodeError
from sources.written_number import as_plain_json
from worker.channels.bounded_executor import BoundedExecutor, in_task
from worker.channels.settings import PythonSettings
from worker.channels.user_module import function_at, one_line
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.rules.render import Message
from worker.user_function import Notification, Permanent, RetryLater

Model = Callable[[str, Any], Struct | None]
"""(event name, payload) -> the payload as its typed model; None where it has none."""


class PythonChannel:
    """Calls one function. It runs on the worker's event loop, so it must not block: see asyncio.to_thread.

    models: by name of the source. Raises ChannelError where there is no such function.
    """

    def __init__(self, settings: PythonSettings, models: Mapping[str, Model]) -> None:
        self.retry = settings.retry
        self._function = function_at(settings.target)
        self._models = models
        self._timeout_s = settings.timeout_s
        self._executor = BoundedExecutor(settings.concurrency, timeout_s=settings.timeout_s)

    async def send(self, message: Message) -> Outcome:
        """Call the function. A call that ignores its cancellation still counts against `concurrency`."""
        model = self._models.get(message.source)
        try:
            # A typed model takes plain floats alone, and so do most JSON encoders that the function may use. The
            # copy is the function's own: the payload is shared with the other notifications of its event.
            data = as_plain_json(message.data)
        except DecodeError as error:
            return Dead(reason="render", error=str(error), error_class=type(error).__name__)
        notification = Notification(
            event=message.event,
            source=message.source,
            rule=message.rule,
            model=model(message.event, data) if model else None,
            data=data,
            raw=message.raw,
            text=message.text,
            subject=message.subject,
            to=message.to,
            html=message.html,
            attempt=message.attempt,
        )
        try:
            return await self._executor.run(
                in_task(lambda: asyncio.create_task(self._call(notification, message.key)))
            )
        except TimeoutError:
            return Retry(error=f"not done within {self._timeout_s:g} s", error_class="TimeoutError")

    async def close(self) -> None:
        """Do nothing: the function has its own connections."""

    async def _call(self, notification: Notification, key: str) -> Outcome:
        # The user's code may raise anything, which must not end the worker.
        try:
            await self._function(notification, key)
        except Permanent as error:
            return Dead(reason="permanent", error=one_line(error), error_class=type(error).__name__)
        except RetryLater as error:
            return Retry(
                error=one_line(error), error_class=type(error).__name__, retry_after_s=max(0.0, error.after_s)
            )
        except asyncio.CancelledError:
            return Retry(error="it was cancelled", error_class="CancelledError")
        except BaseException as error:  # noqa: BLE001 - SystemExit too
            return Retry(error=one_line(error), error_class=type(error).__name__)
        return Sent()
