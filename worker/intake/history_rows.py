"""The rows of the history that intake writes: events, bodies that became dead letters, closed digests. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from broker.dead_letters import StoredDeadLetter
from broker.history.records import MAX_ID, EventRow
from broker.queue.jobs import Notification
from broker.steps.digests import Gathered
from worker.intake.decode import DecodedEvent

_LINKED = 16
"""Events of a digest that find it by their keys; a digest of more events is found by its first ones."""


def event_row(
    decoded: DecodedEvent,
    notifications: Sequence[tuple[str, Notification]],
    digest_events: Sequence[tuple[str, Gathered]],
) -> EventRow:
    """The row of a decoded event."""
    body, event, provider = decoded.body, decoded.event, decoded.kind
    rows = []
    for channel, planned in notifications:  # a comprehension takes longer for one or two
        rows.append((planned.rule, channel, planned.key))
    if digest_events:
        rows += [(gathered.rule, "", gathered.key) for _, gathered in digest_events]
    return (
        body.received_at_ms,
        body.source,
        event.name,
        event.id or event.identity.replace("\x1f", " ")[:MAX_ID],
        provider.known_terms(event, body.body) if provider.known_terms else provider.terms(body.body),
        rows,
        "",
        0,
    )


def letter_row(stored_letter: StoredDeadLetter) -> EventRow:
    """The row of a body that became a dead letter."""
    letter = stored_letter.letter
    return letter.received_at_ms, letter.source, letter.event, "", stored_letter.terms, (), letter.id, 0


def digest_row(events: Sequence[Gathered], notifications: Sequence[tuple[str, Notification]]) -> EventRow:
    """The row of a digest whose window was closed. notifications: each with its channel.

    The keys of its first events find it.
    """
    first = events[0]
    return (
        first.body.received_at_ms,
        first.body.source,
        first.event,
        "",
        [event.key for event in islice(events, _LINKED)],
        [(notification.rule, channel, notification.key) for channel, notification in notifications],
        "",
        len(events),
    )
