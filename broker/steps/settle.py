"""Recording what came of notifications: one Lua step for outcome, dead letter, retry and count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

import msgspec
from msgspec import Struct

from broker.dead_letters import StoredDeadLetter, packed
from broker.queue import jobs
from broker.queue.channel_state import CircuitState
from broker.queue.jobs import NotifyJob
from broker.queue.latest_only import SubjectLock
from broker.redis import clock, scripts
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripts import Blobs

_encode = msgspec.msgpack.Encoder().encode


class Settled(Struct, frozen=True):
    """One notification of a job is done with."""

    index: int
    kind: Literal["sent", "skipped", "dead", "retry"]
    stored_letter: StoredDeadLetter | None = None
    """The dead letter of a dead one."""

    lock: SubjectLock | None = None
    """The turn that it took, where only the latest counts: it ends with this."""


class Retry(Struct, frozen=True):
    """Notifications of a job that go into a new one, due later."""

    job: NotifyJob
    delay_ms: int
    indices: list[int]
    """Their indices in the old job, in the order they have in the new one; each is settled as `retry` too."""


class ChannelFeedback(Struct, frozen=True, array_like=True):
    """What a process's sends told of a channel since the last time, and when its breaker opens."""

    channel: str
    open_after: int
    """Failures in a row."""

    wait_ms: int
    max_wait_ms: int
    succeeded: bool
    """Whether any send did."""

    failures: int
    """Those after the last success."""


class Rest(NamedTuple):
    """What stands after outcomes were recorded."""

    open: int
    """Notifications of the job that are not settled; -1 for a job that was gone."""

    state: CircuitState | Literal[""]
    """Of the channel: see `broker.queue.channel_state`; "" where nothing was heard of it."""


async def settle(
    redis: Client,
    owner: str,
    job_id: str,
    outcomes: Sequence[Settled],
    retries: Sequence[Retry] = (),
    feedback: ChannelFeedback | None = None,
) -> Rest:
    """Record outcomes, and what was heard of the channel; the job goes with its last outcome.

    Safe to repeat, and for two workers at once: an index counts once, and where `owner` has lost its lease of the
    job, only what it sent counts. Raises BrokerError.
    """
    blobs, now_ms = Blobs(), await clock.now_ms(redis)
    letters = {
        str(outcome.index): packed(outcome.stored_letter, blobs.place, now_ms=now_ms)
        for outcome in outcomes
        if outcome.stored_letter
    }
    new_jobs = [
        (jobs.new_job_id(len(retry.indices)), retry.delay_ms, blobs.place(jobs.encode(retry.job)), retry.indices)
        for retry in retries
    ]
    marks = [
        (outcome.index, outcome.kind, outcome.lock) if outcome.lock else (outcome.index, outcome.kind)
        for outcome in outcomes
    ]
    plan = _encode((job_id, jobs.size_of(job_id), marks, letters, new_jobs, owner, feedback))
    with translated():
        still_open, state = await scripts.SETTLE(redis, plan, *blobs.all)
    return Rest(int(still_open), cast("CircuitState", state.decode()))


async def dead_letter_job(redis: Client, job_id: str, stored_letter: StoredDeadLetter) -> None:
    """Make a job that nobody can run one dead letter. Safe to repeat. Raises BrokerError."""
    blobs = Blobs(before=3)
    plan = _encode(packed(stored_letter, blobs.place, now_ms=await clock.now_ms(redis)))
    with translated():
        await scripts.DEAD_LETTER_JOB(redis, job_id, jobs.size_of(job_id), plan, *blobs.all)
