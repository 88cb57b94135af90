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
from runtime.dry_run import DryRunNotification, DryRunResult
from worker.channels.settings import ChannelSettings
from worker.intake.digests import jobs_of
from worker.intake.planner import Planner, Taken
from worker.outcome import Dead, Skipped
from worker.preview.preview_messages import Draft, Drafter
from worker.rules.rules import Rule, RuleBook
from worker.worker_source import WorkerSource

_Made = tuple[str, Notification]
"""A notification and its channel."""


class DryRunner:
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

    def of(self, stored_letter: StoredDeadLetter) -> DryRunResult:
        """What would become of a dead letter, in less than a millisecond for a common one.

        Of several bodies or notifications all must pass. What was stale is taken at any age, as by a replay.
        """
        letter = stored_letter.letter
        if letter.job:
            return self._of_job(stored_letter)
        if letter.stage == "notify":
            again = notification_of(stored_letter)
            return self._of_notifications([(letter.channel, again)])
        if letter.reason == "unreadable":
            return self._of_batch(stored_letter)
        return self._of_body(body_of(stored_letter), any_age=letter.reason == dead_letters.STALE)

    def _of_body(self, body: RawBody, *, any_age: bool = False) -> DryRunResult:
        taken = self._planner.taken(body, any_age=any_age)
        return _died(taken) if isinstance(taken, StoredDeadLetter) else self._of_notifications(_made_of(taken))

    def _of_batch(self, stored_letter: StoredDeadLetter) -> DryRunResult:
        try:
            bodies = batch.decode(stored_letter.body)
        except UnreadableBatchError as error:
            return _died(
                dead_letters.unreadable_batch(stored_letter.body, stored_letter.letter.bodies, str(error))
            )
        return _all_of([self._of_body(body) for body in bodies])

    def _of_job(self, stored_letter: StoredDeadLetter) -> DryRunResult:
        try:
            job = _notify_job(stored_letter.body)
        except UnreadableJobError as error:
            return _died(dead_letters.unreadable_job(stored_letter.letter.job, stored_letter.body, str(error)))
        return self._of_notifications([(job.channel, notification) for notification in job.notifications])

    def _of_notifications(self, made: Iterable[_Made]) -> DryRunResult:
        return _all_of([self._of_notification(channel, notification) for channel, notification in made])

    def _of_notification(self, channel: str, notification: Notification) -> DryRunResult:
        told = DryRunNotification(
            channel=channel, rule=notification.rule, key=notification.key, digest=notification.digest
        )
        match self._drafter.draft(notification, channel):
            case Skipped():
                return DryRunResult(passes=True)
            case Dead(reason=reason, error=error, error_class=error_class, place=place):
                stored_letter = dead_letters.died_at_notify(
                    notification, channel, reason=reason, error=error, error_class=error_class, place=place
                )
                return _died(stored_letter, structs.replace(told, error=error))
            case Draft() as draft:
                return DryRunResult(passes=True, notifications=(_drafted(told, draft),))


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


def _drafted(told: DryRunNotification, draft: Draft) -> DryRunNotification:
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


def _died(stored_letter: StoredDeadLetter, *notifications: DryRunNotification) -> DryRunResult:
    letter = stored_letter.letter
    return DryRunResult(
        passes=False,
        reason=letter.reason,
        error=letter.error,
        error_class=letter.error_class,
        path=letter.path,
        stage=letter.stage,
        fingerprint=letter.fingerprint,
        notifications=notifications,
    )


def _all_of(results: list[DryRunResult]) -> DryRunResult:
    """They pass together or not; of several that do not, the first tells why."""
    first = next((result for result in results if not result.passes), DryRunResult(passes=True))
    return structs.replace(first, notifications=tuple(told for result in results for told in result.notifications))
