"""The terms that find a dead letter: ids and addresses in its bodies, and the identities of its events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice

from broker.queue import dedupe
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification
from broker.steps import digests
from sources.errors import DecodeError
from sources.provider import Provider

_MAX_TERMS = 256
"""Terms of one dead letter at most; a digest has those of its first events."""


def terms_of(notification: Notification, kinds: Mapping[str, Provider]) -> tuple[str, ...]:
    """The terms of a dead notification. Never raises: a body that cannot be read has fewer terms."""
    bodies = list(_bodies(notification))
    # Identities come first, since a redelivery finds the dead letter by them.
    identities = (_identity(body, kinds) for body in bodies)
    others = chain.from_iterable(kinds[body.source].terms(body.body) for body in bodies if body.source in kinds)
    return tuple(islice(dict.fromkeys(chain(filter(None, identities), others)), _MAX_TERMS))


def _bodies(notification: Notification) -> Iterator[RawBody]:
    if not notification.digest:
        yield notification.body
        return
    try:
        members: Iterable[digests.Member] = digests.members(notification.body.body)
    except ValueError:
        return
    for member in members:
        yield RawBody(member.received_at_ms, member.source, member.event, bytes(member.body))


def _identity(body: RawBody, kinds: Mapping[str, Provider]) -> str:
    """The term of the body's event; "" where it cannot be decoded."""
    kind = kinds.get(body.source)
    if kind is None:
        return ""
    try:
        event = kind.decode(body.body, body.event_hint)
    except DecodeError:
        return ""
    mark = dedupe.mark(
        body.source,
        event.identity,
        occurred_at_ms=event.occurred_at_ms,
        window_ms=0,  # the term does not depend on it
    )
    return mark.term
