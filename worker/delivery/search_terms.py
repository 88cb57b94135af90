"""What a dead letter can be found by: what its bodies tell of people and things, and the events' identities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice

from broker.queue import dedupe
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification
from broker.steps import digests
from sources.errors import DecodeError
from sources.provider import Provider

_MOST = 256
"""Terms of a digest: of its first events."""


def terms_of(notification: Notification, kinds: Mapping[str, Provider]) -> tuple[str, ...]:
    """The terms of a notification that dies. The identities come first: a redelivery brings it back by them.

    Never raises: a body that cannot be read has fewer.
    """
    bodies = list(_bodies(notification))
    identities = (_identity(body, kinds) for body in bodies)
    told = chain.from_iterable(kinds[body.source].terms(body.body) for body in bodies if body.source in kinds)
    return tuple(islice(dict.fromkeys(chain(filter(None, identities), told)), _MOST))


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
    """ "" for a body whose event is not known."""
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
        window_ms=0,  # where it is remembered, not for how long
    )
    return mark.term
