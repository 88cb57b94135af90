"""Runs the part of a bulk action that is for the letters of one partition."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from msgspec import structs

from broker.dead_letters import NotMineError, Position, Work, stored_actions
from broker.dead_letters.action import Action, Step
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from inspector.operations.action_steps.verb_steps import CHUNK, DryRun, filter_of, process
from inspector.operations.walk import cursor_after, parse_cursor, walk_one
from inspector.privacy.masking import Masking

_EXTEND_EVERY_S = 2.0


class PartRun:
    """The run of one part of an action."""

    def __init__(
        self,
        redis: Client,
        part: Action,
        work: Work,
        dry_run: DryRun | None,
        masking: Masking,
        slots: asyncio.Semaphore,
        place: int,
    ) -> None:
        """slots: limits how many parts have a chunk in memory. place: of this part among those that start now."""
        self._redis = redis
        self._part = part
        self._work = work
        self._dry_run = dry_run
        self._masking = masking
        self._slots = slots
        self._place = place

    async def steps(self) -> AsyncIterator[Action]:
        """Do what is left of the part; yield its state after each chunk and at the end."""
        redis, part, work, lost = self._redis, self._part, self._work, asyncio.Event()
        limiter = _RateLimiter(part, lost, self._place)
        lease = asyncio.create_task(_extend_lease(redis, work, lost))
        try:
            await limiter.start()
            async for ids, cursor in _chunks(redis, part, limiter.chunk):
                async with self._slots:
                    step = await process(redis, part, ids, work, self._dry_run, self._masking)
                await stored_actions.step(redis, work, structs.replace(step, cursor=cursor))
                yield await _current(redis, part)
                await limiter.wait(len(ids))
            await stored_actions.step(redis, work, Step(is_last=True))
        except NotMineError:
            pass
        finally:
            lost.set()  # The Redis client may swallow a cancellation, so the task also ends by this event.
            lease.cancel()
        yield await _current(redis, part)


async def _extend_lease(redis: Client, work: Work, lost: asyncio.Event) -> None:
    """Extend the lease while a chunk or the search for the next letter takes long, until the action is lost."""
    while not lost.is_set():
        await asyncio.sleep(_EXTEND_EVERY_S)
        try:
            await stored_actions.step(redis, work, Step())
        except NotMineError:
            lost.set()
        except BrokerError:
            continue  # run() meets the same error in its next step.


async def _chunks(redis: Client, action: Action, size: int) -> AsyncIterator[tuple[list[str], str]]:
    """(ids of a chunk, the cursor after it), starting at the action's cursor."""
    order = action.request
    if order.ids:
        for start in range(int(action.cursor or 0), len(order.ids), size):
            yield list(order.ids[start : start + size]), str(start + size)
        return
    letter_filter = structs.replace(filter_of(order), until_ms=order.until_ms)
    start_at = parse_cursor(action.cursor) if action.cursor else Position(order.until_ms + 1, "")
    chunk: list[str] = []
    cursor = ""
    async for row in walk_one(redis, letter_filter, start_at):
        chunk.append(row.id)
        cursor = cursor_after(row)
        if len(chunk) == size:
            yield chunk, cursor
            chunk = []
    if chunk:
        yield chunk, cursor


class _RateLimiter:
    """Waits between chunks so that the action keeps its rate. Stops waiting when the action is lost.

    Each part has the share of the rate that it has of the letters, so that the action keeps its rate even if
    several processes run its parts.
    """

    def __init__(self, part: Action, lost: asyncio.Event, place: int) -> None:
        rate_per_s, letters = part.request.rate_per_s, sum(part.request.selected_in.values())
        share = rate_per_s * part.selected / letters if letters else rate_per_s
        # About two chunks a second, so that a slow action shows progress.
        self.chunk = CHUNK if not rate_per_s else max(1, min(CHUNK, int(share / 2)))
        self._rate_per_s = share
        self._lost = lost
        # The parts of an action start one after the other, or their first chunks would exceed the rate.
        self._next = time.monotonic() + (place * self.chunk / rate_per_s if rate_per_s else 0.0)

    async def start(self) -> None:
        """Wait for the time of the first chunk. Raises NotMineError when the action is lost."""
        await self._wait_until_next()

    async def wait(self, count: int) -> None:
        """Wait as long as `count` letters take at this rate. Raises NotMineError when the action is lost."""
        if not self._rate_per_s:
            return
        # A slow chunk is made up for by at most one second's worth of letters.
        self._next = max(self._next, time.monotonic() - 1.0) + count / self._rate_per_s
        await self._wait_until_next()

    async def _wait_until_next(self) -> None:
        left_s = self._next - time.monotonic()
        if left_s <= 0:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await self._lost.wait()
                raise NotMineError


async def _current(redis: Client, action: Action) -> Action:
    return await stored_actions.read(redis, action.id) or action
