"""Dry runs: what would become of dead letters if they were replayed now, with nothing written or sent.

Pure: it sends no request to Redis, an API or a receiver. So it cannot know whether the event was notified since,
whether a newer event of the same subject was sent, what an API answers, or whether the receiver accepts a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import structs

from broker import dead_letters
from broker.dead_letters import StoredDeadLetter
from broker.dead_letters.replay import body_of, notification_of
from broker.queue import batch, jobs
from broker.queue.batch import RawBody, UnreadableBatchError
from broker.queue.jobs import Notification, NotifyJob, Packed, UnreadableJobError
from runtime.dry_run import DryRunNotification, DryRunResult
from worker.channels.settings import ChannelSettings
from worker.intake.items import expanded
from worker.intake.planner import Planner
from worker.outcome import Dead, Skipped
from worker.preview.preview_messages import Preview, Previewer, notifications_of
from worker.rules.rules import Rule, RuleBook
from worker.worker_source import WorkerSource


class DryRunner:
    """Runs dry any number of dead letters by one config. Templates are compiled once.

    Creating one raises where a rule does not compile; a checked config has no such rule.
    """

    def __init__(
        self,
        sources: Mapping[str, WorkerSource],
        rules: tuple[Rule, ...],
        channels: Mapping[str, ChannelSettings],
    ) -> None:
        self._sources = sources
        self._planner = Planner(sources, RuleBook(rules), max_deliveries=1)
        self._previewer = Previewer(sources, rules, channels)

    def of(self, stored_letter: StoredDeadLetter) -> DryRunResult:
        """The result for one dead letter, in less than a millisecond for a common one.

        Where the letter holds several bodies or notifications, it passes only if all of them do. A stale event is
        accepted at any age, as a replay does.
        """
        letter = stored_letter.letter
        if letter.job:
            return self._of_job(stored_letter)
        if letter.stage == "notify":
            return self._of_notifications([(letter.channel, notification_of(stored_letter))])
        if letter.reason == "unreadable":
            return self._of_batch(stored_letter)
        return self._of_body(body_of(stored_letter), any_age=letter.reason == dead_letters.STALE)

    def _of_body(self, body: RawBody, *, any_age: bool = False) -> DryRunResult:
        items = [item for _, item in expanded([(0, body)], self._sources)]
        return _together([self._of_event(item, any_age=any_age) for item in items])

    def _of_event(self, body: RawBody, *, any_age: bool) -> DryRunResult:
        matched = self._planner.plan_body(body, any_age=any_age)
        if isinstance(matched, StoredDeadLetter):
            return _dead(matched)
        return self._of_notifications(notifications_of(matched))

    def _of_batch(self, stored_letter: StoredDeadLetter) -> DryRunResult:
        try:
            bodies = batch.decode(stored_letter.body)
        except UnreadableBatchError as error:
            bodies_lost = stored_letter.letter.bodies
            return _dead(dead_letters.unreadable_batch(stored_letter.body, bodies_lost, str(error)))
        return _together([self._of_body(body) for body in bodies])

    def _of_job(self, stored_letter: StoredDeadLetter) -> DryRunResult:
        try:
            job = _notify_job(stored_letter.body)
        except UnreadableJobError as error:
            return _dead(dead_letters.unreadable_job(stored_letter.letter.job, stored_letter.body, str(error)))
        return self._of_notifications((job.channel, notification) for notification in job.notifications)

    def _of_notifications(self, notifications: Iterable[tuple[str, Notification]]) -> DryRunResult:
        """notifications: each with its channel."""
        return _together([self._of_notification(channel, notification) for channel, notification in notifications])

    def _of_notification(self, channel: str, notification: Notification) -> DryRunResult:
        shown = DryRunNotification(
            channel=channel, rule=notification.rule, key=notification.key, digest=notification.digest
        )
        match self._previewer.preview(notification, channel):
            case Skipped():
                return DryRunResult(passes=True)
            case Dead(reason=reason, error=error, error_class=error_class, place=place):
                stored_letter = dead_letters.died_at_notify(
                    notification, channel, reason=reason, error=error, error_class=error_class, place=place
                )
                return _dead(stored_letter, structs.replace(shown, error=error))
            case Preview() as preview:
                return DryRunResult(passes=True, notifications=(structs.replace(shown, **preview.fields()),))


def _notify_job(blob: bytes) -> NotifyJob:
    """The job in an arq job's blob. Raises UnreadableJobError with the error that a worker would log."""
    job = jobs.deserialize(blob)
    match job["f"], job["a"]:
        case jobs.NOTIFY, (Packed() as packed,):
            return jobs.decode(packed)
        case jobs.UNREADABLE, (_, str() as error):
            raise UnreadableJobError(error)
        case name, _:
            raise UnreadableJobError(f"no job function named {name!r}")


def _dead(stored_letter: StoredDeadLetter, *notifications: DryRunNotification) -> DryRunResult:
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


def _together(results: list[DryRunResult]) -> DryRunResult:
    """All pass or none does; the reason is that of the first that does not pass."""
    first = next((result for result in results if not result.passes), DryRunResult(passes=True))
    notifications = tuple(shown for result in results for shown in result.notifications)
    return structs.replace(first, notifications=notifications)
