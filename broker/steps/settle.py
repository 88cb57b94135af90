"""Records the outcomes of notifications: one Lua step for outcomes, dead letters, retries and counters."""

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
    """The outcome of one notification of a job."""

    index: int
    kind: Literal["sent", "skipped", "dead", "retry"]
    stored_letter: StoredDeadLetter | None = None
    """The dead letter, if `kind` is `dead`."""

    lock: SubjectLock | None = None
    """The lock of a notification with `latest_only`. This step releases it."""


class Retry(Struct, frozen=True):
    """Notifications of a job that are moved to a new job, which is due later."""

    job: NotifyJob
    delay_ms: int
    indices: list[int]
    """The indices in the old job, in the order of the new job. Each of them also has the outcome `retry`."""


class ChannelFeedback(Struct, frozen=True, array_like=True):
    """The results of a process's sends to a channel since its last feedback, and the settings of the breaker."""

    channel: str
    open_after: int
    """The number of consecutive failures after which the breaker opens."""

    wait_ms: int
    """For how long the breaker opens the first time. The time doubles with each further opening."""

    max_wait_ms: int
    """The longest time for which the breaker opens."""

    succeeded: bool
    """True if at least one send succeeded."""

    failures: int
    """The number of failures after the last success."""


class SettleResult(NamedTuple):
    """The state of the job and of its channel after outcomes were recorded."""

    open: int
    """The number of notifications of the job that are not settled; -1 if the job no longer exists."""

    state: CircuitState | Literal[""]
    """The state of the channel: see `broker.queue.channel_state`; "" without feedback."""


async def settle(
    redis: Client,
    owner: str,
    job_id: str,
    outcomes: Sequence[Settled],
    retries: Sequence[Retry] = (),
    feedback: ChannelFeedback | None = None,
) -> SettleResult:
    """Record outcomes of a job, and feedback about its channel. The last outcome removes the job.

    Safe to repeat, and if two workers run the job at the same time: each index counts once. If `owner` has lost
    the lease of the job, only its `sent` outcomes count. Raises BrokerError.
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
    return SettleResult(int(still_open), cast("CircuitState", state.decode()))


async def dead_letter_job(redis: Client, job_id: str, stored_letter: StoredDeadLetter) -> None:
    """Turn a job that no worker can run into one dead letter. Safe to repeat. Raises BrokerError."""
    blobs = Blobs(before=3)
    plan = _encode(packed(stored_letter, blobs.place, now_ms=await clock.now_ms(redis)))
    with translated():
        await scripts.DEAD_LETTER_JOB(redis, job_id, jobs.size_of(job_id), plan, *blobs.all)
