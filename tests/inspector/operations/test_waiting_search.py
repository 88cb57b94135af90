"""The search among waiting notifications."""

from __future__ import annotations

import pytest

from broker.redis.client import Client
from broker.redis.partitions import Partitions
from inspector.operations.waiting.find import WaitingFilter, find_waiting
from sources.settings import Settings as SourceSettings
from tests.inspector.operations.waiting_notifications import add_retries

BODY = rb'{"type":"x","data":{"customer":{"source_id":"Caf\u00e9-7","email":"Ada@Example.com"}}}'
ESCAPED = rb'{"type":"x","data":{"customer":{"source_id":"shop\u002d8"}}}'
KELVIN = '{"type":"x","data":{"customer":{"source_id":"\u212a-9"}}}'.encode()
"""An id with the sign for degrees Kelvin, whose lower case is the letter k."""
PHONE = b'{"type":"x","data":{"customer":{"source_id":"shop-7","phone":"+49 (30) 1234567"}}}'


@pytest.mark.parametrize(
    ("body", "search", "count"),
    [
        (BODY, "CAFÉ-7", 1),
        (BODY, "ada@example.com", 1),
        (BODY, "ada@example.org", 0),
        (ESCAPED, "shop-8", 1),
        (KELVIN, "k-9", 1),
        (PHONE, "0049 30 1234567", 1),
        (PHONE, "SHOP-7", 1),
        (PHONE, "shop", 0),
        (PHONE, "00-0".ljust(32, "0"), 1),
        (PHONE, "00-1".ljust(16, "0"), 0),
        (PHONE, " ", 0),
    ],
)
async def test_a_term_finds_a_notification_however_it_is_written(
    redis: Client, body: bytes, search: str, count: int
) -> None:
    await add_retries(Partitions([redis]), 1, 1, body=body)
    page = await find_waiting(Partitions([redis]), WaitingFilter(search=search), {"voucherify": SourceSettings()})
    assert len(page.notifications) == count


async def test_a_search_whose_time_is_over_says_how_far_it_got_and_goes_on(three_partitions: Partitions) -> None:
    keys = await add_retries(three_partitions, 40, 1, body=PHONE)
    cursor, searched, found = "", [], list[str]()
    while not searched or cursor:
        page = await find_waiting(
            three_partitions,
            WaitingFilter(search="shop-7"),
            {"voucherify": SourceSettings()},
            cursor=cursor,
            budget_s=0,
        )
        found += [each.notification.key for each in page.notifications if each.notification]
        searched.append(page.searched_to_ms)
        cursor = page.cursor
    assert sorted(found) == keys
    assert len(searched) > 2
    assert searched[:-1] == sorted(searched[:-1])
    assert searched[-1] == 0
