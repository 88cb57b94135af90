"""Decode: a body becomes an event, or a dead letter that says why it cannot. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from broker import dead_letters
from broker.dead_letters import StoredDeadLetter, with_about
from broker.queue import dedupe
from broker.queue.batch import RawBody
from sources.errors import DecodeError
from sources.event import Event
from sources.provider import Provider
from worker.intake.items import check_single
from worker.rules.event_times import staleness, window_ms
from worker.search_terms import about_body
from worker.worker_source import WorkerSource


class DecodedEvent(Struct, frozen=True):
    """A body and the event that it holds."""

    body: RawBody
    kind: Provider
    event: Event
    mark: dedupe.Mark
    """The mark that deduplication remembers the event by."""


class UnknownSourceError(Exception):
    """The body came from a source that this worker's config does not have."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no source named {name!r} in this worker's config")


class StaleEventError(Exception):
    """The event was older than its source's max_event_age_s when it was received."""

    def __init__(self, error: str, event: str) -> None:
        super().__init__(error)
        self.event = event


def decode_event(body: RawBody, sources: Mapping[str, WorkerSource], *, any_age: bool = False) -> DecodedEvent:
    """Decode a body; any_age: also an event that is too old.

    Raises UnknownSourceError, StaleEventError and DecodeError, which `dead_letter_of` makes a dead letter.
    """
    source = sources.get(body.source)
    if source is None:
        raise UnknownSourceError(body.source)
    if source.kind.split is not None:
        check_single(source.kind, body.body)
    event = source.kind.event(body.body, body.event_hint, body.headers)
    if source.max_event_age_s and not any_age:
        too_old = staleness(event, body, source.max_event_age_s)
        if too_old:
            raise StaleEventError(too_old, event.name)
    mark = dedupe.mark(
        body.source,
        event.identity,
        occurred_at_ms=event.occurred_at_ms,
        window_ms=window_ms(source.dedupe_window_days, event),
    )
    return DecodedEvent(body, source.kind, event, mark)


def dead_letter_of(body: RawBody, sources: Mapping[str, WorkerSource], error: Exception) -> StoredDeadLetter:
    """The dead letter of a body that could not be decoded or planned because of this error."""
    source = sources.get(body.source)
    if source is None:
        return _letter_of(body, (), error)
    return with_about(_letter_of(body, source.kind.terms(body.body), error), about_body(body, source.kind))


def _letter_of(body: RawBody, terms: Sequence[str], error: Exception) -> StoredDeadLetter:
    match error:
        case UnknownSourceError():
            return dead_letters.died_at_intake(
                body, reason="unknown source", error=str(error), error_class="UnknownSource"
            )
        case StaleEventError(event=event):
            return dead_letters.died_at_intake(
                body,
                reason=dead_letters.STALE,
                error=str(error),
                error_class="StaleEvent",
                event=event,
                terms=terms,
            )
        case DecodeError(reason=reason, path=path):
            return dead_letters.died_at_intake(
                body, reason="undecodable", error=reason, error_class="DecodeError", path=path, terms=terms
            )
        case _:
            name = type(error).__name__
            return dead_letters.died_at_intake(
                body, reason="failed", error=str(error) or name, error_class=name, terms=terms
            )
