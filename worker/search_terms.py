"""The terms that find a dead letter: ids and addresses in its bodies, its key, the identities of its events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice

from broker.queue import dedupe
from broker.queue.batch import RawBody
from broker.queue.dedupe import Mark
from broker.queue.jobs import Notification
from broker.steps import digests
from runtime.first_id import MAX_CHARS, first_id
from sources.errors import DecodeError
from sources.provider import Provider

_MAX_TERMS = 256
"""Terms of one dead letter at most; a digest has those of its first events."""


def terms_of(notification: Notification, kinds: Mapping[str, Provider]) -> tuple[str, ...]:
    """The terms of a dead notification. Never raises: a body that cannot be read has fewer terms."""
    bodies = list(_bodies(notification))
    # Identities come first, since a redelivery finds the dead letter by them.
    identities = (mark.term for body in bodies if (mark := _mark(body, kinds)))
    others = chain.from_iterable(kinds[body.source].terms(body.body) for body in bodies if body.source in kinds)
    return tuple(islice(dict.fromkeys(chain(identities, (notification.key,), others)), _MAX_TERMS))


def about_of(notification: Notification, kinds: Mapping[str, Provider]) -> str:
    """The id that a list shows of a dead notification, of a digest that of its first event; "" for none."""
    return next(
        (about_body(body, kinds[body.source]) for body in _bodies(notification) if body.source in kinds), ""
    )


def about_body(body: RawBody, provider: Provider) -> str:
    """The id that a list shows of a body: that of its customer at the provider, else another one of its terms."""
    return provider.customer(body.body)[:MAX_CHARS] or first_id(provider.terms(body.body))


def bucket_of(notification: Notification, kinds: Mapping[str, Provider]) -> int | None:
    """The bucket of the identity of the notification's event, of a digest that of its first one; else None."""
    marks = (_mark(body, kinds) for body in _bodies(notification))
    return next((mark.bucket for mark in marks if mark), None)


def _bodies(notification: Notification) -> Iterator[RawBody]:
    if not notification.digest:
        yield notification.body
        return
    try:
        members: Iterable[digests.Member] = digests.members(notification.body.body)
    except ValueError:
        return
    for member in members:
        yield RawBody(member.received_at_ms, member.source, member.event, member.original, member.headers)


def _mark(body: RawBody, kinds: Mapping[str, Provider]) -> Mark | None:
    """The identity of the body's event; None where it cannot be decoded."""
    kind = kinds.get(body.source)
    if kind is None:
        return None
    try:
        event = kind.event(body.body, body.event_hint, body.headers)
    except DecodeError:
        return None
    return dedupe.mark(
        body.source,
        event.identity,
        occurred_at_ms=event.occurred_at_ms,
        window_ms=0,  # neither the term nor the bucket depends on it
    )
