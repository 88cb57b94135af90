"""List the notifications that wait, those that are due first at the beginning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from broker.history.query import KEY_CHARS
from broker.merged.away import Away
from broker.merged.waiting import read_waiting_notifications
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification
from broker.queue.waiting.cause import Cause
from broker.redis.partitions import Partitions
from broker.steps import digests
from broker.waiting.listing import WaitingQuery
from broker.waiting.notification import FIRST, WaitingNotification, position_of
from sources.provider import Provider
from sources.search_terms import term
from sources.settings import Settings as SourceSettings
from sources.source_kinds import provider_of

BUDGET_S = 0.15
"""Seconds after which a page has what was found until then, and says how far the list was searched."""


class WaitingFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The notifications to list. Empty criteria match all."""

    cause: Cause | None = None
    channel: str = ""
    rule: str = ""
    source: str = ""
    search: str = ""
    """An id of the event, its customer, voucher or transaction, an e-mail address, or an idempotency key."""


class WaitingListPage(Struct, frozen=True):
    """Some waiting notifications, those that are due first at the beginning."""

    notifications: Sequence[WaitingNotification]
    cursor: str
    """Start of the next page; "" on the last page."""

    searched_to_ms: int
    """Not 0 if the page ended early because its time was over: what is due later was not searched."""


async def find_waiting(
    partitions: Partitions,
    waiting_filter: WaitingFilter,
    sources: Mapping[str, SourceSettings],
    *,
    limit: int = 50,
    cursor: str = "",
    budget_s: float = BUDGET_S,
    away: Away | None = None,
) -> WaitingListPage:
    """Return up to `limit` notifications that match, starting at `cursor`. Raises BrokerError.

    sources: those that are configured, for the search. budget_s: about how many seconds it may take. Raises
    ValueError if the cursor is another text.
    """
    query = WaitingQuery(
        cause=waiting_filter.cause,
        channel=waiting_filter.channel,
        matches=_matcher(waiting_filter, sources),
        limit=limit,
        budget_s=budget_s,
    )
    after = position_of(cursor) if cursor else FIRST
    page = await read_waiting_notifications(partitions, query, after=after, away=away)
    if page.end is None:
        return WaitingListPage(page.notifications, "", 0)
    is_early = len(page.notifications) < limit
    return WaitingListPage(page.notifications, str(page.end), page.end.due_ms if is_early else 0)


def _matcher(
    waiting_filter: WaitingFilter, sources: Mapping[str, SourceSettings]
) -> Callable[[WaitingNotification], bool]:
    kinds = {name: provider_of(source) for name, source in sources.items()} if waiting_filter.search else {}
    searched = waiting_filter.search.strip()
    wanted = frozenset(filter(None, (term(searched), searched.lower())))

    def matches(waiting: WaitingNotification) -> bool:
        notification = waiting.notification
        if notification is None:
            return not (waiting_filter.rule or waiting_filter.source or waiting_filter.search)
        return (
            waiting_filter.rule in ("", notification.rule)
            and waiting_filter.source in ("", notification.body.source)
            and (not waiting_filter.search or _is_found(notification, wanted, kinds))
        )

    return matches


def _is_found(notification: Notification, wanted: frozenset[str], kinds: Mapping[str, Provider]) -> bool:
    """Return whether one of the texts is the key of the notification, or in one of its bodies."""
    if any(notification.key[: len(text)] == text for text in wanted if len(text) in KEY_CHARS):
        return True
    return any(
        not wanted.isdisjoint(kinds[body.source].terms(body.body))
        for body in _bodies(notification)
        if body.source in kinds and _may_have(body.body, wanted)
    )


def _may_have(body: bytes, wanted: frozenset[str]) -> bool:
    """Return False if none of the texts can be a term of a body.

    This is much faster than to find its terms.
    """
    # A term may be written in another way in a form, with an escape sequence, and if it is a phone number.
    if body[:1] not in (b"{", b"[") or b"\\" in body or not body.isascii():
        return True
    lower = body.lower()
    return any(text.isdigit() or not text.isascii() or text.encode() in lower for text in wanted)


def _bodies(notification: Notification) -> Iterator[RawBody]:
    if not notification.digest:
        yield notification.body
        return
    try:
        members = digests.members(notification.body.body)
    except ValueError:
        return
    for member in members:
        yield RawBody(member.received_at_ms, member.source, member.event, member.original, member.headers)
