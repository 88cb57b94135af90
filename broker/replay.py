"""Giving dead letters another life: enqueued again and removed, in one step."""

from __future__ import annotations

import time

from arq.connections import ArqRedis

from broker import batch, jobs, scripts
from broker.batch import RawBody
from broker.dead import STALE, Grave
from broker.errors import translated
from broker.jobs import Notification, NotifyJob


async def replay(redis: ArqRedis, grave: Grave) -> bool:
    """Hand a dead letter back with its full attempts and its old idempotency key; False where it was gone.

    A body goes through intake again, where one that was stale is no longer asked for its age; a notification goes
    straight to its channel. Raises BrokerError.
    """
    if grave.letter.stage == "intake":
        return await _replay_body(redis, grave)
    return await _replay_notification(redis, grave)


async def _replay_body(redis: ArqRedis, grave: Grave) -> bool:
    letter = grave.letter
    unreadable = letter.reason == "unreadable"
    any_age = "any age" if letter.reason == STALE else ""  # else it would die again
    blob = (
        grave.body
        if unreadable
        else batch.encode([RawBody(letter.received_at_ms, letter.source, letter.event_hint, grave.body)])
    )
    with translated():
        return bool(await scripts.REPLAY_BODY(redis, letter.id, letter.fingerprint, letter.bodies, blob, any_age))


async def _replay_notification(redis: ArqRedis, grave: Grave) -> bool:
    letter = grave.letter
    job, blob = (letter.job, grave.body) if letter.job else (jobs.new_job_id(1), jobs.encode(_fresh_job(grave)))
    with translated():
        return bool(await scripts.REPLAY_JOB(redis, letter.id, letter.fingerprint, job, jobs.size_of(job), blob))


def _fresh_job(grave: Grave) -> NotifyJob:
    letter = grave.letter
    body = RawBody(letter.received_at_ms, letter.source, letter.event_hint, grave.body)
    again = Notification(letter.key, letter.rule, letter.event, body, digest=letter.digest)
    return NotifyJob(letter.channel, 1, time.time_ns() // 1_000_000, [again])
