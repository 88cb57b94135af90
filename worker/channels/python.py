"""Calls an async function of the user's with each notification.

    from worker.channels.python import Later, Permanent, PythonEvent

    async def function(event: PythonEvent, key: str) -> None: ...

It returns: sent. It raises: tried again, at once a dead letter for Permanent. What it returns is not looked at.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from sources.errors import DecodeError
from sources.written_number import as_plain_json
from worker.channels.bounded_executor import BoundedExecutor, in_task
from worker.channels.errors import ChannelError
from worker.channels.settings import PythonSettings
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.rules.render import Message

Model = Callable[[str, Any], Struct | None]
"""(event name, payload) -> the payload as its typed model, None where it has none."""


class PythonEvent(Struct, frozen=True):
    """What the function gets, beside the idempotency key."""

    name: str
    """Event name, as the provider gives it."""

    source: str
    """Which of the config's sources it came from."""

    rule: str
    model: Struct | None
    """The payload as its typed model (`sources.voucherify.models`), with what the rule looked up. None where the
    event's name has no model or the payload does not fit it."""

    data: Mapping[str, Any]
    """The payload as it is, every key of it, with what the rule looked up. A copy that the function may change."""

    raw: bytes
    """The body as it was received."""

    text: str
    """The rule's templates, rendered; "" for those that it does not give. So are `subject`, `to` and `html`."""

    subject: str
    to: str
    html: str
    attempt: int
    """1 for the first."""


class Permanent(Exception):
    """Raised by the function: another try would fail alike. The notification becomes a dead letter at once."""


class Later(Exception):
    """Raised by the function: try again, in `after_s` seconds at the earliest."""

    def __init__(self, reason: str, *, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


Function = Callable[[PythonEvent, str], Awaitable[object]]


class PythonChannel:
    """One function. It runs on the worker's event loop, so it must not block: see asyncio.to_thread.

    `models` by name of the source. Raises ChannelError where there is no such function.
    """

    def __init__(self, settings: PythonSettings, models: Mapping[str, Model]) -> None:
        self.retry = settings.retry
        self._function = function_at(settings.target)
        self._models = models
        self._timeout_s = settings.timeout_s
        self._executor = BoundedExecutor(settings.concurrency, timeout_s=settings.timeout_s)

    async def send(self, message: Message) -> Outcome:
        """Call it. A call that does not heed its cancellation is left to itself, and still counts as one."""
        model = self._models.get(message.source)
        try:
            # A typed model takes plain floats alone, and so do most JSON encoders that the function may use. The
            # copy is the function's own: the payload is shared with the other notifications of its event.
            data = as_plain_json(message.data)
        except DecodeError as error:
            return Dead(reason="render", error=str(error), error_class=type(error).__name__)
        event = PythonEvent(
            name=message.event,
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
            return await self._executor.run(in_task(lambda: asyncio.create_task(self._call(event, message.key))))
        except TimeoutError:
            return Retry(error=f"not done within {self._timeout_s:g} s", error_class="TimeoutError")

    async def close(self) -> None:
        """Nothing to close: what the function opened is its own."""

    async def _call(self, event: PythonEvent, key: str) -> Outcome:
        """The user's code may raise anything; none of it ends the worker or is mistaken for our own."""
        try:
            await self._function(event, key)
        except Permanent as error:
            return Dead(reason="permanent", error=_told(error), error_class=type(error).__name__)
        except Later as error:
            return Retry(
                error=_told(error), error_class=type(error).__name__, retry_after_s=max(0.0, error.after_s)
            )
        except asyncio.CancelledError:
            return Retry(error="it was cancelled", error_class="CancelledError")
        except BaseException as error:  # noqa: BLE001 - SystemExit too
            return Retry(error=_told(error), error_class=type(error).__name__)
        return Sent()


def function_at(target: str) -> Function:
    """The function that `module:function` names. Raises ChannelError."""
    module_name, _, path = target.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        reason = f"there is no module {missing!r}{_hidden(missing)}"
        raise ChannelError("target", reason if missing == module_name else f"{module_name}: {reason}") from None
    except BaseException as error:  # noqa: BLE001 - a module's own code may raise anything, SystemExit too
        hidden = _hidden(error.name or "") if isinstance(error, ImportError) else ""
        reason = f"{_told(error)} ({type(error).__name__}){hidden}"
        raise ChannelError("target", f"importing {module_name}: {reason}") from None
    for name in path.split("."):
        found = getattr(found, name, None)
    if found is None:
        raise ChannelError("target", f"there is no {path!r} in {module_name}{_hidden(module_name)}")
    if not inspect.iscoroutinefunction(found):
        raise ChannelError("target", f"{target} is no async function: write `async def`")
    function: Function = found
    return function


def _hidden(module_name: str) -> str:
    """What an error adds where an installed package has the name of a module in the start directory; else ""."""
    name = module_name.partition(".")[0]
    found = getattr(sys.modules.get(name), "__file__", None)
    file, package = Path.cwd() / f"{name}.py", Path.cwd() / name
    if found is None or Path(found) in (file, package / "__init__.py") or not (file.exists() or package.is_dir()):
        return ""
    return f": the module {name!r} in {Path.cwd()} is hidden by {Path(found).parent}, so rename it"


def _told(error: BaseException) -> str:
    """One line, whatever the exception is."""
    try:
        return " ".join(str(error).split()) or type(error).__name__
    except Exception:  # noqa: BLE001 - an exception whose str raises
        return type(error).__name__
