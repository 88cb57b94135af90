"""Records the outcomes of notifications: one Lua step for outcomes, dead letters, retries and counters of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

from msgspec import Struct

from broker.dead_letters import StoredDeadLetter, packed
from broker.dead_letters.packing import ADDING, PackedLetter
from broker.history.records import RECORDING, OutcomeRow
from broker.history.tail_blocks import place_outcomes
from broker.queue import jobs
from broker.queue.channel_state import CircuitState
from broker.queue.heartbeat import seconds_of
from broker.queue.jobs import NotifyJob
from broker.queue.latest_only import SubjectLock
from broker.queue.parts import JOBS, NEXT_DUE
from broker.queue.waiting.cause import Deferral
from broker.redis import clock
from broker.redis.client import Client
from broker.redis.confirmation import replicated
from broker.redis.errors import translated
from broker.redis.scripting.scripts import COUNTERS, FULL, Blobs, Script


class Settled(Struct, frozen=True):
    """The outcome of one notification of a job."""

    index: int
    kind: Literal["sent", "skipped", "dead", "retry"]
    stored_letter: StoredDeadLetter | None = None
    """The dead letter, if `kind` is `dead`."""

    lock: SubjectLock | None = None
    """The lock of a notification with `latest_only`. This step releases it."""

    record: OutcomeRow | None = None
    """The row of the outcome for the history; None without a history, and where nothing happened."""


class Retry(Struct, frozen=True):
    """Notifications of a job that are moved to a new job, which is due later."""

    job: NotifyJob
    delay_ms: int
    indices: list[int]
    """The indices in the old job, in the order of the new job. Each of them also has the outcome `retry`."""

    waits_for: Deferral | None = None
    """Why it is due later; None if it is due now."""


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

    cause: str = ""
    """The cause of the last failure, in a few words without data of a webhook; "" without failures."""


class JobOutcomes(Struct, frozen=True):
    """Outcomes of one job."""

    job_id: str
    outcomes: Sequence[Settled]
    retries: Sequence[Retry] = ()
    feedback: ChannelFeedback | None = None
    """The results of the sends of this process, for the breaker of the job's channel."""


class PlannedOutcome(Struct, frozen=True, array_like=True):
    """A `Settled` as the script gets it."""

    index: int
    kind: str
    lock: SubjectLock | None


class PlannedRetry(NamedTuple):
    """A `Retry` as the script gets it."""

    job: str
    delay_ms: int
    blob: int
    indices: list[int]


class PlannedJob(NamedTuple):
    """A `JobOutcomes` as the script gets it."""

    job: str
    size: int
    outcomes: list[PlannedOutcome]
    letters: dict[str, PackedLetter]
    """The dead letters by index."""

    retries: list[PlannedRetry]
    feedback: ChannelFeedback | None


_SETTLE = Script(
    "steps/settle",
    parts=(FULL, COUNTERS, JOBS, NEXT_DUE, ADDING, RECORDING),
    keys=("queue", "channels"),
    args=("owner", "history: number", "plans: packed"),
    rest="blobs",
    records={"PLAN": PlannedJob, "RETRY": PlannedRetry, "LOCK": SubjectLock},
)
_DEAD_LETTER_JOB = Script(
    "steps/dead_letter_job",
    parts=(FULL, COUNTERS, ADDING),
    keys=("queue", "job:job", "done:job", "in_progress:job", "retry:job", "unrecognized:job"),
    args=("job", "size: number", "letter: packed"),
    rest="blobs",
)


class SettleResult(NamedTuple):
    """The state of the job and of its channel after outcomes were recorded."""

    open: int
    """The number of notifications of the job that are not settled; -1 if the job no longer exists."""

    state: CircuitState | Literal[""]
    """The state of the channel: see `broker.queue.channel_state`; "" without feedback."""

    next_job_s: float | None
    """Seconds until the next job is due, whichever worker left it: 0 if one is due, None without jobs."""


async def settle(
    redis: Client, owner: str, settled: Sequence[JobOutcomes], *, replicas: int = 0
) -> list[SettleResult]:
    """Record outcomes of jobs, and feedback about their channels. The last outcome of a job removes it.

    Safe to repeat, and if two workers run a job at the same time: each index counts once. If `owner` has lost
    the lease of a job, only its `sent` outcomes count. replicas: how many should have the outcomes, so that a
    failover repeats few notifications. Raises BrokerError.
    """
    blobs, now_ms = Blobs(), await clock.now_ms(redis)
    plans = [_planned(job, blobs, now_ms) for job in settled]
    history = place_outcomes([outcome.record for job in settled for outcome in job.outcomes], blobs)
    with translated():
        (rows, next_ms), _ = await replicated(
            redis, replicas, _SETTLE, owner=owner, history=history, plans=plans, blobs=blobs.all
        )
    next_job_s = seconds_of(next_ms)
    return [
        SettleResult(int(still_open), cast("CircuitState", state.decode()), next_job_s)
        for still_open, state in rows
    ]


def _planned(job: JobOutcomes, blobs: Blobs, now_ms: int) -> PlannedJob:
    letters = {
        str(outcome.index): packed(outcome.stored_letter, blobs.place, now_ms=now_ms)
        for outcome in job.outcomes
        if outcome.stored_letter
    }
    retries = [
        PlannedRetry(
            jobs.new_job_id(len(retry.indices), retry.waits_for),
            retry.delay_ms,
            blobs.place(jobs.encode(retry.job)),
            retry.indices,
        )
        for retry in job.retries
    ]
    outcomes = [PlannedOutcome(outcome.index, outcome.kind, outcome.lock) for outcome in job.outcomes]
    return PlannedJob(job.job_id, jobs.size_of(job.job_id), outcomes, letters, retries, job.feedback)


async def dead_letter_job(redis: Client, job_id: str, stored_letter: StoredDeadLetter) -> None:
    """Turn a job that no worker can run into one dead letter. Safe to repeat. Raises BrokerError."""
    blobs, now_ms = Blobs(), await clock.now_ms(redis)
    letter = packed(stored_letter, blobs.place, now_ms=now_ms)
    with translated():
        await _DEAD_LETTER_JOB(redis, job=job_id, size=jobs.size_of(job_id), letter=letter, blobs=blobs.all)
