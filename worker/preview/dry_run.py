"""What would become of dead letters if they were replayed now: intake and notify, with nothing written or sent.

Pure: it asks neither Redis nor anybody else. So it does not know what only those know: whether the event was
notified meanwhile, whether something newer of its subject went out, what an API answers, whether the other side
takes what is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import structs

from broker import dead_letters
from broker.dead_letters import StoredDeadLetter
from broker.dead_letters.replay import body_of, notification_of
from broker.queue import batch, jobs
from broker.queue.batch import RawBody, UnreadableBatchError
from broker.queue.jobs import Notification, NotifyJob, Packed, UnreadableJobError
from runtime.dry_run import Rehearsed, Verdict
from worker.channels.settings import ChannelSettings
from worker.intake.digests import jobs_of
from worker.intake.planner import Planner, Taken
from worker.outcome import Dead, Skipped
from worker.preview.preview_messages import Draft, Drafter
from worker.rules.rules import Rule, RuleBook
from worker.worker_source import WorkerSource

_Made = tuple[str, Notification]
"""A notification and its channel."""


class Rehearsal:
    """Of one config, for any number of dead letters: templates are compiled once.

    To make one raises where a rule does not compile; a checked config has only rules that do.
    """

    def __init__(
        self,
        sources: Mapping[str, WorkerSource],
        rules: tuple[Rule, ...],
        channels: Mapping[str, ChannelSettings],
    ) -> None:
        self._planner = Planner(sources, RuleBook(rules), max_deliveries=1)
        self._drafter = Drafter(sources, rules, channels)

    def of(self, grave: StoredDeadLetter) -> Verdict:
        """What would become of a dead letter, in less than a millisecond for a common one.

        Of several bodies or notifications all must pass. What was stale is taken at any age, as by a replay.
        """
        letter = grave.letter
        if letter.job:
            return self._of_job(grave)
        if letter.stage == "notify":
            again = notification_of(grave)
            return self._of_notifications([(letter.channel, again)])
        if letter.reason == "unreadable":
            return self._of_batch(grave)
        return self._of_body(body_of(grave), any_age=letter.reason == dead_letters.STALE)

    def _of_body(self, body: RawBody, *, any_age: bool = False) -> Verdict:
        taken = self._planner.taken(body, any_age=any_age)
        return _died(taken) if isinstance(taken, StoredDeadLetter) else self._of_notifications(_made_of(taken))

    def _of_batch(self, grave: StoredDeadLetter) -> Verdict:
        try:
            bodies = batch.decode(grave.body)
        except UnreadableBatchError as error:
            return _died(dead_letters.unreadable_batch(grave.body, grave.letter.bodies, str(error)))
        return _all_of([self._of_body(body) for body in bodies])

    def _of_job(self, grave: StoredDeadLetter) -> Verdict:
        try:
            job = _notify_job(grave.body)
        except UnreadableJobError as error:
            return _died(dead_letters.unreadable_job(grave.letter.job, grave.body, str(error)))
        return self._of_notifications([(job.channel, notification) for notification in job.notifications])

    def _of_notifications(self, made: Iterable[_Made]) -> Verdict:
        return _all_of([self._of_notification(channel, notification) for channel, notification in made])

    def _of_notification(self, channel: str, notification: Notification) -> Verdict:
        told = Rehearsed(channel=channel, rule=notification.rule, key=notification.key, digest=notification.digest)
        match self._drafter.draft(notification, channel):
            case Skipped():
                return Verdict(passes=True)
            case Dead(reason=reason, error=error, error_class=error_class, place=place):
                grave = dead_letters.died_at_notify(
                    notification, channel, reason=reason, error=error, error_class=error_class, place=place
                )
                return _died(grave, structs.replace(told, error=error))
            case Draft() as draft:
                return Verdict(passes=True, notifications=(_drafted(told, draft),))


def _made_of(taken: Taken) -> Iterator[_Made]:
    """The notifications of one event; of each digest that it joins, as if it were alone in it."""
    yield from taken.notifications
    for _, gathered in taken.gathered:
        for job in jobs_of([gathered]):
            yield from ((job.channel, notification) for notification in job.notifications)


def _notify_job(blob: bytes) -> NotifyJob:
    """A job as arq keeps it. Raises UnreadableJobError with what the worker would say."""
    job = jobs.deserialize(blob)
    match job["f"], job["a"]:
        case jobs.NOTIFY, (Packed() as packed,):
            return jobs.decode(packed)
        case jobs.UNREADABLE, (_, str() as error):
            raise UnreadableJobError(error)
        case name, _:
            raise UnreadableJobError(f"no job function named {name!r}")


def _drafted(told: Rehearsed, draft: Draft) -> Rehearsed:
    message = draft.message
    if message is None:
        return structs.replace(told, looks_up=draft.looks_up, needs=draft.needs)
    return structs.replace(
        told,
        to=message.to,
        subject=message.subject,
        text=message.text,
        html=message.html,
        looks_up=draft.looks_up,
    )


def _died(grave: StoredDeadLetter, *notifications: Rehearsed) -> Verdict:
    letter = grave.letter
    return Verdict(
        passes=False,
        reason=letter.reason,
        error=letter.error,
        error_class=letter.error_class,
        path=letter.path,
        stage=letter.stage,
        fingerprint=letter.fingerprint,
        notifications=notifications,
    )


def _all_of(verdicts: list[Verdict]) -> Verdict:
    """They pass together or not; of several that do not, the first tells why."""
    first = next((verdict for verdict in verdicts if not verdict.passes), Verdict(passes=True))
    return structs.replace(
        first, notifications=tuple(told for verdict in verdicts for told in verdict.notifications)
    )
