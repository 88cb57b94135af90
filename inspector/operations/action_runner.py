"""Carries actions out in the inspector's process: those begun through it, and those that were interrupted.

Lifecycle: run() looks for interrupted actions until it is cancelled; then each action under way is left to the
next process, or to another that runs by now. Leases in Redis keep several processes apart
(broker/dead_letters/stored_actions.py). While Redis is away actions wait, and go on when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Callable, Sequence

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import BrokerError
from inspector import operations
from inspector.operations import DryRun, DryRunError, Selection, Verb
from inspector.privacy.masking import DEFAULT, Masking
from runtime.fault_log import Faults

AT_ONCE = 4
"""Actions that are carried out at a time; the others wait."""

LOOK_EVERY_S = 2.0
END_S = 1.0
"""Seconds that it takes at most to leave all actions to others."""

_logger = logging.getLogger("hookline.inspector")


class Means(Struct, frozen=True, kw_only=True):
    """What an action may need, by the config of now."""

    dry_run: DryRun | None = None
    """None where nothing can be dry-run."""

    masking: Masking = DEFAULT


class Runner:
    """One process' runner. `means` is asked anew for each action."""

    def __init__(self, redis: Client, means: Callable[[], Means]) -> None:
        self._redis = redis
        self._means = means
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._free = asyncio.Semaphore(AT_ONCE)
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._faults = Faults(_logger, "actions were not looked for", action="actions_unread")

    async def begin(
        self,
        verb: Verb,
        chosen: Selection | Sequence[str],
        *,
        by: str,
        rate_per_s: float = 0.0,
        note: str = "",
    ) -> str:
        """Order something, and see to it; the id of the action. Raises BrokerError, DryRunError."""
        if verb == "dry_run" and self._means().dry_run is None:
            raise DryRunError
        action = await operations.begin(
            self._redis, verb, chosen, by=by, owner=self._owner, rate_per_s=rate_per_s, note=note
        )
        self._see_to(action)
        return action

    async def resume(self, action: str, *, by: str) -> bool:
        """Go on with one that was stopped or interrupted; False where there is none such. Raises BrokerError."""
        known = await operations.action(self._redis, action) if action in self._under_way else None
        if known is not None and known.state == "running":
            return False
        resumed = await operations.resume(self._redis, action, by=by, owner=self._owner)
        if resumed:
            self._see_to(action)
        return resumed

    async def run(self) -> None:
        """Take over what was interrupted, until cancelled. Never raises anything else."""
        task = asyncio.current_task()
        assert task is not None
        try:
            while not task.cancelling():  # the client of Redis may swallow what cancels
                await self._look()
                if not task.cancelling():
                    await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await self._leave()

    async def _look(self) -> None:
        try:
            for action in await operations.interrupted(self._redis):
                if self._free.locked():
                    return  # others may have room
                if action not in self._under_way and await self._take(action):
                    self._see_to(action)
        except BrokerError as error:
            _logger.debug("looks for actions later: %s", error)
        except Exception as error:  # noqa: BLE001 - logged
            self._faults.note(error)

    async def _take(self, action: str) -> bool:
        if self._means().dry_run is None:
            known = await operations.action(self._redis, action)
            if known is None or known.request.verb == "dry_run":
                return False
        return await operations.take(self._redis, action, owner=self._owner)

    def _see_to(self, action: str) -> None:
        before = self._under_way.get(action)  # stopped, and resumed before it noticed
        self._under_way[action] = task = asyncio.create_task(self._carry_out(action, before))
        task.add_done_callback(lambda ended: self._ended(action, ended))

    def _ended(self, action: str, task: asyncio.Task[None]) -> None:
        if self._under_way.get(action) is task:
            del self._under_way[action]

    async def _carry_out(self, action: str, before: asyncio.Task[None] | None) -> None:
        """Until it is done, stopped or somebody else's."""
        if before is not None:
            await asyncio.wait([before])
        while True:
            try:
                async with self._free:
                    await self._work_on(action)
            except BrokerError as error:
                fields = {"action": "action_waits", "id": action}
                _logger.warning("action %s waits: %s", action, error, extra=fields)
            else:
                return
            await asyncio.sleep(LOOK_EVERY_S)

    async def _work_on(self, action: str) -> None:
        if not await operations.take(self._redis, action, owner=self._owner):
            return  # stopped, or taken over while it waited
        means = self._means()
        try:
            async for _ in operations.carry_out(
                self._redis, action, owner=self._owner, dry_run=means.dry_run, masking=means.masking
            ):
                pass
        except BrokerError:
            raise
        except Exception:
            _logger.exception("an action met a defect", extra={"action": "action_failed", "id": action})
            await operations.stop(self._redis, action, by="hookline")  # else it would meet it for ever

    async def _leave(self) -> None:
        left = dict(self._under_way)
        going_on = set(left.values())
        while going_on:  # again, where the client of Redis swallowed it
            for task in going_on:
                task.cancel()
            _, going_on = await asyncio.wait(going_on, timeout=0.1)
        with contextlib.suppress(BrokerError, TimeoutError):
            async with asyncio.timeout(END_S):
                for action in left:
                    await operations.release(self._redis, action, owner=self._owner)
