"""Finds the search terms of a Voucherify webhook: ids, e-mail addresses, phone numbers, codes.

They are read from the bytes and not from the decoded body, so that complete, truncated, custom and invalid bodies
are treated alike: a term of a body is found in each truncated copy that contains the term and the character after
it. An incomplete id at the very end is not a term.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum

import msgspec

from sources.search_terms import MAX_TERMS, term
from sources.shared.terms import MAX_BYTES, emails, id_after


class _TermKind(IntEnum):
    """The kinds of terms, the most specific first."""

    EVENT = 0
    CUSTOMER = 1
    EMAIL = 2
    PHONE = 3
    CODE = 4
    TRANSACTION = 5
    ORDER = 6
    REDEMPTION = 7
    PUBLICATION = 8
    RULE = 9
    PROMOTION_TIER = 10
    SEGMENT = 11
    CAMPAIGN = 12
    OTHER = 13


_LIMITS = {
    _TermKind.EVENT: 2,
    _TermKind.CUSTOMER: 4,
    _TermKind.EMAIL: 2,
    _TermKind.PHONE: 1,
    _TermKind.CODE: 2,
    _TermKind.TRANSACTION: 2,
    _TermKind.ORDER: 2,
    _TermKind.REDEMPTION: 2,
    _TermKind.PUBLICATION: 1,
    _TermKind.RULE: 1,
    _TermKind.PROMOTION_TIER: 1,
    _TermKind.SEGMENT: 1,
    _TermKind.CAMPAIGN: 1,
    _TermKind.OTHER: 4,
}
"""Limit on the terms of each kind; the first ones in the body are used."""

_ID = re.compile(
    rb"\b(cust|vtx|v|ord|rr|r|pub|val|promo|seg|camp|ltr|rew|ern|ev[a-z]{0,12})_(?=[a-zA-Z_-]{0,40}+\d)[\w-]{1,96}+(?=[^\w-])(?!\"\s{0,8}+:)"
)
"""An id, by the prefixes of Voucherify. It has a digit and no colon after it, which excludes keys and words."""

customer = id_after(rb"\b(cust_(?=[a-zA-Z_-]{0,40}+\d)[\w-]{1,96}+)(?=[^\w-])")
"""The first id of a customer, as Voucherify made it."""

_OF_ID = {
    b"cust": _TermKind.CUSTOMER,
    b"vtx": _TermKind.TRANSACTION,
    b"v": _TermKind.OTHER,
    b"ord": _TermKind.ORDER,
    b"r": _TermKind.REDEMPTION,
    b"rr": _TermKind.REDEMPTION,
    b"pub": _TermKind.PUBLICATION,
    b"val": _TermKind.RULE,
    b"promo": _TermKind.PROMOTION_TIER,
    b"seg": _TermKind.SEGMENT,
    b"camp": _TermKind.CAMPAIGN,
    b"ltr": _TermKind.OTHER,
    b"rew": _TermKind.OTHER,
    b"ern": _TermKind.OTHER,
}

_PAIR = re.compile(
    rb'"(id|source_id|customer_id|holder_id|order_id|rule_id|campaign_id|email|phone|code|voucher_code|customer|holder'
    rb'|voucher|event|transaction|order|redemption|rollback|publication|rule|promotion_tier|segment|campaign|distribution)"'
    rb'\s{0,64}+:\s{0,64}+(?:(\{)|("[^"\\]{0,512}+(?:\\.[^"\\]{0,512}+){0,64}+"))'
)
"""A key that determines the kind of its string, or of the strings in its object."""

_OF_KEY = {
    b"source_id": _TermKind.OTHER,
    b"customer_id": _TermKind.CUSTOMER,
    b"holder_id": _TermKind.CUSTOMER,
    b"order_id": _TermKind.ORDER,
    b"rule_id": _TermKind.RULE,
    b"campaign_id": _TermKind.CAMPAIGN,
    b"email": _TermKind.EMAIL,
    b"phone": _TermKind.PHONE,
    b"code": _TermKind.CODE,
    b"voucher_code": _TermKind.CODE,
}
_OF_OBJECT = {
    b"customer": _TermKind.CUSTOMER,
    b"holder": _TermKind.CUSTOMER,
    b"voucher": _TermKind.OTHER,
    b"event": _TermKind.EVENT,
    b"transaction": _TermKind.TRANSACTION,
    b"order": _TermKind.ORDER,
    b"redemption": _TermKind.REDEMPTION,
    b"rollback": _TermKind.REDEMPTION,
    b"publication": _TermKind.PUBLICATION,
    b"rule": _TermKind.RULE,
    b"promotion_tier": _TermKind.PROMOTION_TIER,
    b"segment": _TermKind.SEGMENT,
    b"campaign": _TermKind.CAMPAIGN,
    b"distribution": _TermKind.OTHER,
}
_WITH_SOURCE_ID = frozenset({_TermKind.CUSTOMER, _TermKind.ORDER})
"""Objects for which the merchant has an id of its own."""

_Found = tuple[int, _TermKind, str]


def terms(body: bytes) -> tuple[str, ...]:
    """At most MAX_TERMS terms, the most specific kind first, then in the order of the body. Never raises."""
    start = body[:MAX_BYTES]
    left = dict.fromkeys(_TermKind, MAX_TERMS) | _LIMITS
    ranked: list[tuple[_TermKind, int, str]] = []
    seen = set()
    for place, what, text in sorted((*_ids(start), *_pairs(start), *_emails(start))):
        normalized = term(text)
        if normalized and normalized not in seen:
            seen.add(normalized)
            if left[what]:
                left[what] -= 1
                ranked.append((what, place, normalized))
    return tuple(normalized for _, _, normalized in sorted(ranked)[:MAX_TERMS])


def _ids(body: bytes) -> Iterator[_Found]:
    for match in _ID.finditer(body):
        yield match.start(), _OF_ID.get(match[1], _TermKind.EVENT), match[0].decode("ascii")


def _pairs(body: bytes) -> Iterator[_Found]:
    """Terms by their keys. The first id and source_id after the start of an object count as that object's."""
    id_is = source_id_is = None
    for match in _PAIR.finditer(body):
        key, opens, quoted = match.groups()
        if opens:
            id_is = source_id_is = _OF_OBJECT.get(key)
            continue
        if key == b"id":
            what, id_is = id_is, None
        elif key == b"source_id" and source_id_is in _WITH_SOURCE_ID:
            what, source_id_is = source_id_is, None
        else:
            what = _OF_KEY.get(key)
        if what is not None:
            yield match.start(3) + 1, what, _text(quoted)


def _emails(body: bytes) -> Iterator[_Found]:
    for place, address in emails(body):
        yield place, _TermKind.EMAIL, address


def _text(quoted: bytes) -> str:
    """The text of a JSON string, "" for other bytes."""
    try:
        return str(msgspec.json.decode(quoted, type=str))
    except (ValueError, RecursionError):
        return ""
