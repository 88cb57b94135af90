"""Runs a bulk action in the foreground of a command: begin or resume it, show progress, stop it on Ctrl-C, report.

Lifecycle: `begin` or `resume` takes the lease of the action and runs it to its end. Ctrl-C stops the action in
Redis. If the process is killed instead, the lease expires, and `hookline dead resume` continues the action.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

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

from broker.dead_letters.action import Action, Verb
from broker.merged import actions, letters
from broker.redis.errors import BrokerError
from broker.redis.partitions import Partitions
from inspector.cli.app import print_json, show
from inspector.cli.session import Context, run_with_partitions
from inspector.cli.tables import why_table
from inspector.formatting import count_of
from inspector.operations import bulk_actions
from inspector.operations.bulk_actions import Selection
from inspector.operations.verbs import VERBS
from inspector.presentation.serializers import action_record
from runtime.process_identity import new_process_name

_STOPPED_BY_CTRL_C = 130
_CHECK_EVERY_S = 0.25


class ForegroundAction:
    """A bulk action that this command runs."""

    def __init__(self, context: Context, *, as_json: bool) -> None:
        self._context = context
        self._as_json = as_json
        self._owner = new_process_name()
        self._action: Action | None = None
        """The action as it was last seen; None before it is begun or resumed."""

    def begin(
        self, verb: Verb, target: Selection | Sequence[str], *, rate_per_s: float = 0.0, note: str = ""
    ) -> int:
        """Begin an action and run it; return the exit code. Raises BrokerError."""
        return self._run(partial(self._begin, verb=verb, target=target, rate_per_s=rate_per_s, note=note))

    def resume(self, action_id: str) -> int:
        """Continue a stopped or interrupted action; return the exit code. Raises BrokerError.

        If the action seems to run in another process, this waits until the lease of that process has expired.
        """
        return self._run(partial(self._resume, action_id=action_id))

    async def _begin(
        self,
        partitions: Partitions,
        *,
        verb: Verb,
        target: Selection | Sequence[str],
        rate_per_s: float,
        note: str,
    ) -> None:
        action_id = await bulk_actions.begin(
            partitions,
            verb,
            target,
            by=self._context.user(),
            owner=self._owner,
            rate_per_s=rate_per_s,
            note=note,
        )
        await self._show_progress(partitions, action_id)

    async def _resume(self, partitions: Partitions, *, action_id: str) -> None:
        if await self._take(partitions, action_id):
            await self._show_progress(partitions, action_id)
        else:
            typer.echo(f"another process runs it: hookline dead stop {action_id} stops it", err=True)

    async def _take(self, partitions: Partitions, action_id: str) -> bool:
        """Take the lease of an action, after waiting for the lease of another process to expire."""
        first = action = await actions.read(partitions, action_id, away={})
        if first is not None and first.state == "running":
            wait_ms = first.lease_until_ms - await letters.now_ms(partitions, away={})
            if wait_ms > 0:
                typer.echo(f"another process may be running it: waiting {wait_ms / 1000:.0f} s", err=True)
        while first is not None and action is not None and action.state != "done":
            if await actions.resume(partitions, action_id, by=self._context.user(), owner=self._owner):
                return True
            # A process that extends its lease is alive and keeps the action.
            if action.state != "running" or action.lease_until_ms != first.lease_until_ms:
                break
            await asyncio.sleep(_CHECK_EVERY_S)
            action = await actions.read(partitions, action_id, away={})
        return False

    async def _show_progress(self, partitions: Partitions, action_id: str) -> None:
        """Run the action, and draw its progress after each step."""
        self._action = action = await actions.read(partitions, action_id, away={})
        if action is None:
            return
        dry_run = self._context.dry_run() if action.request.verb == "dry_run" else None
        with _progress_bar(action) as draw:
            steps = bulk_actions.run(
                partitions, action_id, owner=self._owner, dry_run=dry_run, masking=self._context.masking()
            )
            async for step in steps:
                self._action = step
                draw(step)
                _raise_if_cancelled()

    def _run(self, work: Callable[[Partitions], Awaitable[None]]) -> int:
        try:
            run_with_partitions(self._context, work)
        except KeyboardInterrupt:
            self._stop()
            return _STOPPED_BY_CTRL_C
        except BrokerError:
            self._report()
            raise
        return self._report()

    def _stop(self) -> None:
        try:
            run_with_partitions(self._context, self._stop_in_redis)
        finally:  # While Redis is away, the last known progress is still reported.
            self._report()

    async def _stop_in_redis(self, partitions: Partitions) -> None:
        if self._action is not None:
            await actions.stop(partitions, self._action.id, by=self._context.user())
            self._action = await actions.read(partitions, self._action.id, away={})

    def _report(self) -> int:
        """Print the result; return the exit code."""
        action = self._action
        if action is None:
            return 1
        if self._as_json:
            print_json(action_record(action, masking=self._context.masking()))
        else:
            typer.echo(_result(action))
            if action.causes:
                show(why_table(action.causes))
        if action.state != "done":
            typer.echo(f"to continue: hookline dead resume {action.id}", err=True)
        is_complete = action.state == "done" and action.done == action.selected and not action.failed
        return 0 if is_complete else 1


def _raise_if_cancelled() -> None:
    """Raise CancelledError after Ctrl-C, also if a wait has swallowed it."""
    # redis-py 5 can take a cancellation for the end of a wait of its own and continue: then only the task knows.
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _result(action: Action) -> str:
    is_dry_run = action.request.verb == "dry_run"
    remaining = action.selected - action.done - action.missing
    if is_dry_run:
        parts = [f"{action.passed} would pass", f"{action.failed} would fail"]
    else:
        letters = count_of(action.selected, "dead letter")
        parts = [f"{VERBS[action.request.verb].participle} {action.done} of {letters}"]
    if action.missing:
        parts.append(f"{action.missing} no longer existed")
    if remaining:
        parts.append(f"{remaining} not checked" if is_dry_run else f"{remaining} left unchanged")
    return ", ".join(parts)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.speed or 0.0
        return Text((f"{speed:.1f}/s" if 0 < speed < 10 else f"{speed:.0f}/s" if speed else "").rjust(7))


@contextmanager
def _progress_bar(action: Action) -> Iterator[Callable[[Action], None]]:
    """A progress bar on stderr, if stderr is a terminal, after a line that says how to stop and resume."""
    console = Console(stderr=True)
    gerund = TextColumn(VERBS[action.request.verb].gerund)
    columns = (gerund, BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    is_hidden = action.selected == 1 or not console.is_terminal
    if not is_hidden:
        typer.echo(f"Ctrl-C stops it; hookline dead resume {action.id} continues it", err=True)
    with Progress(*columns, console=console, transient=True, disable=is_hidden) as bar:
        task = bar.add_task("", total=action.selected, completed=action.done)
        yield lambda step: bar.update(task, completed=step.done)
