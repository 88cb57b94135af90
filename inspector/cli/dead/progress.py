"""An action carried out in the foreground: the progress, Ctrl-C, how to go on, the result."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from broker.redis.client import Client
from broker.redis.clock import ask_ms
from broker.redis.errors import BrokerError
from inspector import operations
from inspector.cli.app import print_json, show
from inspector.cli.session import Context, on_redis
from inspector.cli.tables import why_table
from inspector.formatting import count_of
from inspector.operations import Action, Selection, Verb
from inspector.presentation.serializers import action_record

_DOING = {"replay": "replaying", "discard": "discarding", "annotate": "noting", "dry_run": "trying"}
_DONE = {"replay": "replayed", "discard": "discarded", "annotate": "annotated", "dry_run": "tried"}
_STOPPED = 130
_LOOK_EVERY_S = 0.25

_Take = Callable[[Client], Awaitable[Action | None]]


class Run:
    """One action of this process, from its beginning or from where another left it."""

    def __init__(self, context: Context, *, as_json: bool) -> None:
        self._context = context
        self._as_json = as_json
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._last: Action | None = None

    def begin(
        self, verb: Verb, chosen: Sequence[str] | Selection, *, rate_per_s: float = 0.0, note: str = ""
    ) -> int:
        """Order it and do it; the exit code. Raises BrokerError."""
        by = self._context.user()

        async def take(redis: Client) -> Action | None:
            action = await operations.begin(
                redis, verb, chosen, by=by, owner=self._owner, rate_per_s=rate_per_s, note=note
            )
            return await operations.action(redis, action)

        return self._run(take)

    def resume(self, action: str) -> int:
        """Go on with one that was stopped or interrupted, once its owner's lease has run out; the exit code.

        Raises BrokerError.
        """

        async def take(redis: Client) -> Action | None:
            async for seen in _until_free(redis, action):
                if seen is None or seen.state == "done":
                    break
                if await operations.resume(redis, action, by=self._context.user(), owner=self._owner):
                    return await operations.action(redis, action)
            typer.echo(f"somebody carries it out: hookline dead stop {action} stops it", err=True)
            return None

        return self._run(take)

    def report_nothing(self) -> None:
        """Of an action that there was nothing to do for."""
        if self._as_json:
            print_json({"selected": 0, "done": 0, "gone": 0})

    def _run(self, take: _Take) -> int:
        try:
            on_redis(self._context, lambda redis: self._work(redis, take))
        except KeyboardInterrupt:
            self._stop()
            return _STOPPED
        except BrokerError:
            self._report()
            raise
        return self._report()

    def _stop(self) -> None:
        try:
            self._last = on_redis(self._context, self._stopped)
        finally:  # where Redis is away, what is known has its report too
            self._report()

    async def _work(self, redis: Client, take: _Take) -> None:
        taken = await take(redis)
        if taken is None:
            return
        self._last = taken
        dry_run = self._context.dry_run() if taken.request.verb == "dry_run" else None
        with _bar(taken) as draw:
            steps = operations.carry_out(
                redis, taken.id, owner=self._owner, dry_run=dry_run, masking=self._context.masking()
            )
            async for step in steps:
                self._last = step
                draw(step)

    async def _stopped(self, redis: Client) -> Action | None:
        if self._last is None:
            return None
        await operations.stop(redis, self._last.id, by=self._context.user())
        return await operations.action(redis, self._last.id)

    def _report(self) -> int:
        last = self._last
        if last is None:
            return 1
        if self._as_json:
            print_json(action_record(last, masking=self._context.masking()))
        else:
            typer.echo(_result(last))
            if last.causes:
                show(why_table(last.causes))
        if last.state != "done":
            typer.echo(f"to go on: hookline dead resume {last.id}", err=True)
        return 0 if last.state == "done" and last.done == last.selected and not last.failed else 1


def _result(action: Action) -> str:
    left = action.selected - action.done - action.gone
    if action.request.verb == "dry_run":
        parts = [f"{action.passed} would pass", f"{action.failed} would fail"]
    else:
        parts = [f"{_DONE[action.request.verb]} {action.done} of {count_of(action.selected, 'dead letter')}"]
    if action.gone:
        parts.append(f"{action.gone} not there (any more)")
    if left:
        parts.append(f"{left} not tried" if action.request.verb == "dry_run" else f"{left} left as they were")
    return ", ".join(parts)


async def _until_free(redis: Client, action_id: str) -> AsyncIterator[Action | None]:
    """The action now and then, as long as its owner may still come back: to the end of the lease seen first."""
    first = seen = await operations.action(redis, action_id)
    yield seen
    if first is None or first.state != "running":
        return
    wait_ms = first.lease_until_ms - await ask_ms(redis)
    if wait_ms > 0:
        typer.echo(f"whoever carries it out may be alive: waiting {wait_ms / 1000:.0f} s", err=True)
    while seen is not None and seen.state == "running" and seen.lease_until_ms == first.lease_until_ms:
        await asyncio.sleep(_LOOK_EVERY_S)
        seen = await operations.action(redis, action_id)
        yield seen


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.speed or 0.0
        return Text((f"{speed:.1f}/s" if 0 < speed < 10 else f"{speed:.0f}/s" if speed else "").rjust(7))


@contextmanager
def _bar(action: Action) -> Iterator[Callable[[Action], None]]:
    """A bar on stderr, where that is a terminal, and how it is stopped and gone on with."""
    console = Console(stderr=True)
    doing = TextColumn(_DOING[action.request.verb])
    columns = (doing, BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    silent = action.selected == 1 or not console.is_terminal
    if not silent:
        typer.echo(f"Ctrl-C stops it; hookline dead resume {action.id} goes on", err=True)
    with Progress(*columns, console=console, transient=True, disable=silent) as bar:
        task = bar.add_task("", total=action.selected, completed=action.done)
        yield lambda seen: bar.update(task, completed=seen.done)
