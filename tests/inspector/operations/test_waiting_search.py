"""The search among waiting notifications."""

from __future__ import annotations

import pytest

from broker.redis.client import Client
from broker.redis.partitions import Partitions
from inspector.operations.waiting.find import WaitingFilter, find_waiting
from sources.settings import Settings as SourceSettings
from tests.inspector.operations.waiting_notifications import add_retries

BODY = rb'{"type":"x","data":{"customer":{"source_id":"Caf\u00e9-7","email":"Ada@Example.com"}}}'
PHONE = b'{"type":"x","data":{"customer":{"source_id":"shop-7","phone":"+49 (30) 1234567"}}}'


@pytest.mark.parametrize(
    ("body", "search", "count"),
    [
        (BODY, "CAFÉ-7", 1),
        (BODY, "ada@example.com", 1),
        (BODY, "ada@example.org", 0),
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


async def test_a_search_whose_time_is_over_says_how_far_it_got_and_goes_on(redis: Client) -> None:
    await add_retries(Partitions([redis]), 40, 1, body=PHONE)
    cursor, pages, found, searched = "", 0, 0, [0]
    while pages == 0 or cursor:
        page = await find_waiting(
            Partitions([redis]),
            WaitingFilter(search="shop-7"),
            {"voucherify": SourceSettings()},
            cursor=cursor,
            budget_s=0,
        )
        cursor, pages, found = page.cursor, pages + 1, found + len(page.notifications)
        searched.append(page.searched_to_ms)
    assert (found, pages > 2, searched[-1]) == (40, True, 0)
    assert searched[1:-1] == sorted(searched[1:-1]) and min(searched[1:-1]) > 0
