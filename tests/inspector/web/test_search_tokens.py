"""Tokens for searches: how long they are kept, and how many."""

from __future__ import annotations

import pytest

from inspector.http.search_tokens import KEPT_S, MOST, SearchExpiredError, SearchTokens

FORM = {"search": "ada@example.com", "channel": "crm"}


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_search_is_kept_for_its_time_after_each_use() -> None:
    clock = Clock()
    tokens = SearchTokens(clock=clock)
    address = tokens.for_address("ann", FORM)
    for _ in range(3):
        clock.now_s += KEPT_S
        assert tokens.from_address("ann", address) == FORM

    clock.now_s += KEPT_S + 1
    with pytest.raises(SearchExpiredError):
        tokens.from_address("ann", address)
    assert tokens.for_address("ann", FORM) != address


def test_beyond_the_limit_the_least_recently_used_search_is_forgotten() -> None:
    tokens = SearchTokens()
    first, second = (tokens.for_address("ann", {"search": text}) for text in ("first", "second"))
    for number in range(MOST - 2):
        tokens.for_address("ann", {"search": str(number)})
    tokens.from_address("ann", first)

    tokens.for_address("bob", {"search": "first"})

    assert tokens.from_address("ann", first) == {"search": "first"}
    with pytest.raises(SearchExpiredError):
        tokens.from_address("ann", second)


def test_the_token_of_another_user_is_refused_and_stays_valid() -> None:
    tokens = SearchTokens()
    address = tokens.for_address("ann", FORM)

    with pytest.raises(SearchExpiredError):
        tokens.from_address("bob", address)
    assert tokens.from_address("ann", address) == FORM
