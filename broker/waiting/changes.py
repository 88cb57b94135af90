"""Changes of one notification that waits, by a person: send it now, or cancel it.

Each is one step in Redis, together with its audit entry. A notification that a worker has now is not changed: the
worker may be sending it.
"""

from __future__ import annotations

from typing import Literal, cast

from broker.history.records import MAX_TEXT, RECORDING, OutcomeRow
from broker.history.tail_blocks import place_outcomes
from broker.monitoring.audit import AUDIT, AuditEntry, packed
from broker.queue import jobs
from broker.queue.jobs import Notification, NotifyJob
from broker.queue.parts import JOB_KEYS, JOBS, WAKE
from broker.redis import clock
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import COUNTERS, FULL, Blobs, Script
from broker.waiting.notification import WaitingNotification

ChangeOutcome = Literal["done", "running", "gone", "due", "paused", "open", "digest", "unreadable"]
"""How a change ended. All but `done` say why nothing was changed.

running: a worker has the notification now. gone: it does not wait in this place any more. due: it is due already.
paused, open: it is held, because its channel is paused or its circuit breaker is open. digest: its window has not
ended. unreadable: this version cannot read it.
"""

_CANCEL = Script(
    "waiting/cancel",
    parts=(FULL, COUNTERS, JOBS, RECORDING, AUDIT),
    keys=("queue", *JOB_KEYS, "held_jobs:channel"),
    args=("job", "size: number", "number: number", "channel", "history: number", "audit_entry"),
    rest="blobs",
)
_SEND_NOW = Script(
    "waiting/send_now",
    parts=(FULL, JOBS, WAKE, AUDIT),
    keys=(
        "queue",
        *JOB_KEYS,
        "job:new_job as new_job_key",
        "held_ms:new_job as new_held_ms",
        "held_jobs:channel",
        "channel:channel as channel_state",
    ),
    args=("job", "new_job", "size: number", "number: number", "channel", "new_blob", "audit_entry"),
)


async def cancel(redis: Client, waiting: WaitingNotification, *, by: str, writes_history: bool) -> ChangeOutcome:
    """Take a notification out, so that it is not sent. It counts as skipped. Raises BrokerError.

    by: the name of the person. writes_history: whether to write a row about it into the history.
    """
    place, notification = waiting.place, waiting.notification
    if waiting.cause == "digest":
        return "digest"
    if notification is None:
        return "unreadable"
    blobs, [channel] = Blobs(), waiting.channels
    text = f"cancelled by {by}"[:MAX_TEXT]
    row: OutcomeRow = (notification.key, "skipped", await clock.now_ms(redis), 0, 0, text, 0, "")
    with translated():
        outcome = await _CANCEL(
            redis,
            job=place.job,
            size=jobs.size_of(place.job),
            number=place.number,
            channel=channel,
            history=place_outcomes([row], blobs) if writes_history else 0,
            audit_entry=_audit_entry("cancel", notification, channel, by),
            blobs=blobs.all,
        )
    return cast("ChangeOutcome", outcome.decode())


async def send_now(redis: Client, waiting: WaitingNotification, *, by: str) -> ChangeOutcome:
    """Make a notification due now. Its next attempt ignores quiet hours. Raises BrokerError.

    It counts as the attempt that was due later. The rate limit of the channel applies. by: the name of the person.
    """
    place, notification = waiting.place, waiting.notification
    if waiting.cause == "digest":
        return "digest"
    if notification is None:
        return "unreadable"
    [channel] = waiting.channels
    job = NotifyJob(channel, waiting.attempt, waiting.first_try_ms, [notification])
    with translated():
        outcome = await _SEND_NOW(
            redis,
            job=place.job,
            new_job=jobs.new_job_id(1, "sent_now"),
            size=jobs.size_of(place.job),
            number=place.number,
            channel=channel,
            new_blob=jobs.encode(job),
            audit_entry=_audit_entry("send_now", notification, channel, by),
        )
    return cast("ChangeOutcome", outcome.decode())


def _audit_entry(what: str, notification: Notification, channel: str, by: str) -> bytes:
    return packed(AuditEntry(by, what, notification.key, {"rule": notification.rule, "channel": channel}))
