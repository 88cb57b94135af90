"""What people look for a Voucherify webhook by: ids, e-mail addresses, phone numbers, codes.

Read off the bytes and not off the decoded body, so that what is whole, cut off, designed or garbage is read alike:
what is found in a body is found in every beginning of it that holds it with the character after it. Half an id,
at the very end, is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from itertools import islice

import msgspec

from sources.search_terms import MAX_TERMS, term

MAX_BYTES = 256 * 1024
"""Of a body that are looked at."""


class _What(IntEnum):
    """The most telling first."""

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


_AT_MOST = {
    _What.EVENT: 2,
    _What.CUSTOMER: 4,
    _What.EMAIL: 2,
    _What.PHONE: 1,
    _What.CODE: 2,
    _What.TRANSACTION: 2,
    _What.ORDER: 2,
    _What.REDEMPTION: 2,
    _What.PUBLICATION: 1,
    _What.RULE: 1,
    _What.PROMOTION_TIER: 1,
    _What.SEGMENT: 1,
    _What.CAMPAIGN: 1,
    _What.OTHER: 4,
}
"""Terms of each that are kept, those that come first in the body."""

_ID = re.compile(
    rb"\b(cust|vtx|v|ord|rr|r|pub|val|promo|seg|camp|ltr|rew|ern|ev[a-z]{0,12})_(?=[a-zA-Z_-]{0,40}+\d)[\w-]{1,96}+(?=[^\w-])(?!\"\s{0,8}+:)"
)
"""An id by what Voucherify's begin with. It has a digit and no colon behind it: so keys and words are none."""

_OF_ID = {
    b"cust": _What.CUSTOMER,
    b"vtx": _What.TRANSACTION,
    b"v": _What.OTHER,
    b"ord": _What.ORDER,
    b"r": _What.REDEMPTION,
    b"rr": _What.REDEMPTION,
    b"pub": _What.PUBLICATION,
    b"val": _What.RULE,
    b"promo": _What.PROMOTION_TIER,
    b"seg": _What.SEGMENT,
    b"camp": _What.CAMPAIGN,
    b"ltr": _What.OTHER,
    b"rew": _What.OTHER,
    b"ern": _What.OTHER,
}

_PAIR = re.compile(
    rb'"(id|source_id|customer_id|holder_id|order_id|rule_id|campaign_id|email|phone|code|voucher_code|customer|holder'
    rb'|voucher|event|transaction|order|redemption|rollback|publication|rule|promotion_tier|segment|campaign|distribution)"'
    rb'\s{0,64}+:\s{0,64}+(?:(\{)|("[^"\\]{0,512}+(?:\\.[^"\\]{0,512}+){0,64}+"))'
)
"""A key that tells what its string is, or what the strings in its object are."""

_OF_KEY = {
    b"source_id": _What.OTHER,
    b"customer_id": _What.CUSTOMER,
    b"holder_id": _What.CUSTOMER,
    b"order_id": _What.ORDER,
    b"rule_id": _What.RULE,
    b"campaign_id": _What.CAMPAIGN,
    b"email": _What.EMAIL,
    b"phone": _What.PHONE,
    b"code": _What.CODE,
    b"voucher_code": _What.CODE,
}
_OF_OBJECT = {
    b"customer": _What.CUSTOMER,
    b"holder": _What.CUSTOMER,
    b"voucher": _What.OTHER,
    b"event": _What.EVENT,
    b"transaction": _What.TRANSACTION,
    b"order": _What.ORDER,
    b"redemption": _What.REDEMPTION,
    b"rollback": _What.REDEMPTION,
    b"publication": _What.PUBLICATION,
    b"rule": _What.RULE,
    b"promotion_tier": _What.PROMOTION_TIER,
    b"segment": _What.SEGMENT,
    b"campaign": _What.CAMPAIGN,
    b"distribution": _What.OTHER,
}
_WITH_SOURCE_ID = frozenset({_What.CUSTOMER, _What.ORDER})
"""Objects that the merchant knows by an id of its own."""

_DOMAIN = re.compile(rb"@([\w-]{1,63}+(?:\.[\w-]{1,63}+){1,4}+)(?=[^\w-])")
_NOT_LOCAL = re.compile(rb"[\s\"'<>(),;:\\@]")
_MAX_LOCAL = 64
_MAX_EMAILS = 64
"""Places that are looked at for an e-mail address."""

_Found = tuple[int, _What, str]


def terms(body: bytes) -> tuple[str, ...]:
    """At most MAX_TERMS terms, the most telling first, those of a kind as they come in the body. Never raises."""
    start = body[:MAX_BYTES]
    left = dict.fromkeys(_What, MAX_TERMS) | _AT_MOST
    ranked: list[tuple[_What, int, str]] = []
    seen = set()
    for place, what, text in sorted((*_ids(start), *_pairs(start), *_emails(start))):
        found = term(text)
        if found and found not in seen:
            seen.add(found)
            if left[what]:
                left[what] -= 1
                ranked.append((what, place, found))
    return tuple(found for _, _, found in sorted(ranked)[:MAX_TERMS])


def _ids(body: bytes) -> Iterator[_Found]:
    for match in _ID.finditer(body):
        yield match.start(), _OF_ID.get(match[1], _What.EVENT), match[0].decode("ascii")


def _pairs(body: bytes) -> Iterator[_Found]:
    """The first id and the first source_id after an object opens are taken for that object's."""
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
    for match in islice(_DOMAIN.finditer(body), _MAX_EMAILS):
        end = match.start()
        local = _NOT_LOCAL.split(body[max(0, end - _MAX_LOCAL - 2) : end])[-1]
        is_escaped = (
            body[end - len(local) - 1 : end - len(local)] == b"\\"
        )  # what stands there is not what it says
        if 0 < len(local) <= _MAX_LOCAL and not is_escaped:
            yield end - len(local), _What.EMAIL, (local + match[0]).decode("utf-8", "replace")


def _text(quoted: bytes) -> str:
    """A JSON string's text; "" where it is none."""
    try:
        return str(msgspec.json.decode(quoted, type=str))
    except (ValueError, RecursionError):
        return ""
