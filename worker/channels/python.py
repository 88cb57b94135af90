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
from worker.rules.payload import Payload
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
        self._loop = asyncio.get_running_loop()
        self._executor = BoundedExecutor(settings.concurrency, timeout_s=settings.timeout_s)

    async def send(self, message: Message) -> Outcome:
        """Call the function. A call that ignores its cancellation still counts against `concurrency`."""
        notification = _on_demand(message, self._models.get(message.source))
        try:
            return await self._executor.run(
                in_task(lambda: self._loop.create_task(self._call(notification, message.key)))
            )
        except TimeoutError:
            return Retry(error=f"not done within {self._timeout_s:g} s", error_class="TimeoutError")

    async def close(self) -> None:
        """Stop the timer: the function has its own connections."""
        self._executor.close()

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
        except DecodeError as error:
            return Dead(reason="render", error=str(error), error_class=type(error).__name__)
        except asyncio.CancelledError:
            return Retry(error="it was cancelled", error_class="CancelledError")
        except BaseException as error:  # noqa: BLE001 - SystemExit too
            return Retry(error=one_line(error), error_class=type(error).__name__)
        return Sent()


class _OnDemand(Notification):
    """A notification whose `data` and `model` are made when the function reads them: many functions do not."""

    _message: Message
    _model: Model | None

    def __getattr__(self, name: str) -> Any:
        """Make a field that was not read yet. Raises DecodeError for a payload that is not JSON as a whole."""
        if name not in {"data", "model"}:
            raise AttributeError(f"a notification has no {name!r}")
        # A copy for each, since the function may change `data` and then read `model`.
        data = _plain(self._message.data)
        if name == "model":
            self.__dict__["model"] = self._model(self.event, data) if self._model else None
        else:
            self.__dict__["data"] = data
        return self.__dict__[name]


def _on_demand(message: Message, model: Model | None) -> _OnDemand:
    # Not by the constructor of the frozen dataclass, which is slow.
    notification = _OnDemand.__new__(_OnDemand)
    notification.__dict__.update(
        event=message.event,
        source=message.source,
        rule=message.rule,
        raw=message.raw,
        text=message.text,
        subject=message.subject,
        to=message.to,
        html=message.html,
        attempt=message.attempt,
        _message=message,
        _model=model,
    )
    return notification


def _plain(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the function's own, in plain JSON types: so typed models and most JSON encoders take it."""
    return payload.plain() if isinstance(payload, Payload) else as_plain_json(payload)
