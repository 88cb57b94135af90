"""Runs bulk actions in the inspector's process: those that users begin there, and those that were interrupted.

Lifecycle: run() looks for interrupted actions until it is cancelled. Then it releases the actions that are still
running, so that another process can continue them. Leases in Redis keep two processes from running the same action
(broker/dead_letters/stored_actions.py). While Redis is away actions wait, and they continue when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from msgspec import Struct

from broker.dead_letters.action import Verb
from broker.merged import actions
from broker.redis.errors import BrokerError
from broker.redis.outage import Outage, repeat, until_done
from broker.redis.partitions import Partitions
from inspector.operations import bulk_actions
from inspector.operations.action_steps.verb_steps import DryRun
from inspector.operations.bulk_actions import DryRunError, Selection
from inspector.privacy.masking import DEFAULT, Masking
from runtime.fault_log import Faults
from runtime.process_identity import new_process_name

MAX_RUNNING = 4
"""Most actions that run at the same time. Further actions wait."""

CHECK_EVERY_S = 2.0
"""Seconds between two checks for interrupted actions, and before an action is retried after a Redis error."""

RELEASE_TIMEOUT_S = 1.0
"""Most seconds that releasing the running actions may take at shutdown."""

log = logging.getLogger("hookline.inspector")


class ActionContext(Struct, frozen=True, kw_only=True):
    """The current configuration, as far as actions need it."""

    dry_run: DryRun | None = None
    """Does a dry run. It is None if this process has no rules."""

    masking: Masking = DEFAULT


class Runner:
    """The action runner of one process. `context` is called for each action, as the configuration may change."""

    def __init__(self, partitions: Partitions, context: Callable[[], ActionContext]) -> None:
        self._partitions = partitions
        self._context = context
        self._owner = new_process_name()
        self._slots = asyncio.Semaphore(MAX_RUNNING)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._faults = Faults(log, "cannot look for interrupted actions", action="actions_unread")

    async def begin(
        self,
        verb: Verb,
        target: Selection | Sequence[str],
        *,
        by: str,
        rate_per_s: float = 0.0,
        note: str = "",
    ) -> str:
        """Begin an action in the background and return its id. Raises BrokerError, DryRunError."""
        if verb == "dry_run" and self._context().dry_run is None:
            raise DryRunError
        action_id = await bulk_actions.begin(
            self._partitions, verb, target, by=by, owner=self._owner, rate_per_s=rate_per_s, note=note
        )
        self._start(action_id)
        return action_id

    async def resume(self, action_id: str, *, by: str) -> bool:
        """Continue a stopped or interrupted action. Return False if it is done or running. Raises BrokerError."""
        action = await actions.read(self._partitions, action_id, away={}) if action_id in self._tasks else None
        if action is not None and action.state == "running":
            return False
        resumed = await actions.resume(self._partitions, action_id, by=by, owner=self._owner)
        if resumed:
            self._start(action_id)
        return resumed

    async def run(self) -> None:
        """Take over interrupted actions until cancelled. Raises nothing but the cancellation."""
        try:
            await repeat(self._take_interrupted, Outage(log, "looking for interrupted actions"), self._faults)
        finally:
            await self._release_all()

    async def _take_interrupted(self) -> float:
        for action_id in await actions.interrupted(self._partitions):
            if self._slots.locked():
                break  # Another process may have a free slot.
            if action_id not in self._tasks and await self._take(action_id):
                self._start(action_id)
        return CHECK_EVERY_S

    async def _take(self, action_id: str) -> bool:
        if self._context().dry_run is None:
            action = await actions.read(self._partitions, action_id, away={})
            if action is None or action.request.verb == "dry_run":
                return False
        return await actions.take(self._partitions, action_id, owner=self._owner)

    def _start(self, action_id: str) -> None:
        # An action that was stopped and resumed quickly may have a task that has not noticed the stop yet.
        before = self._tasks.get(action_id)
        self._tasks[action_id] = task = asyncio.create_task(self._run_until_done(action_id, before))
        task.add_done_callback(lambda ended: self._remove(action_id, ended))

    def _remove(self, action_id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(action_id) is task:
            del self._tasks[action_id]

    async def _run_until_done(self, action_id: str, before: asyncio.Task[None] | None) -> None:
        """Run an action until it is done, stopped or taken over by another process."""
        if before is not None:
            await asyncio.wait([before])

        async def step() -> None:
            async with self._slots:
                await self._run(action_id)

        await until_done(step, Outage(log, f"action {action_id}"))

    async def _run(self, action_id: str) -> None:
        if not await actions.take(self._partitions, action_id, owner=self._owner):
            return  # It was stopped or taken over while it waited.
        context = self._context()
        try:
            async for _ in bulk_actions.run(
                self._partitions, action_id, owner=self._owner, dry_run=context.dry_run, masking=context.masking
            ):
                pass
        except BrokerError:
            raise
        except Exception:
            fields = {"action": "action_failed", "id": action_id}
            log.exception("action %s was stopped by a defect in Hookline", action_id, extra=fields)
            # If it kept running, each process that takes it over would meet the same defect.
            await actions.stop(self._partitions, action_id, by="hookline")

    async def _release_all(self) -> None:
        action_ids = list(self._tasks)
        running = set(self._tasks.values())
        # The Redis client may swallow a cancellation, so it is repeated until the tasks have ended.
        while running:
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=0.1)
        with contextlib.suppress(BrokerError, TimeoutError):
            async with asyncio.timeout(RELEASE_TIMEOUT_S):
                for action_id in action_ids:
                    await actions.release(self._partitions, action_id, owner=self._owner)
