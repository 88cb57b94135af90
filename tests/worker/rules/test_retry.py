"""The delays between attempts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.rules.retry import RetrySettings, delay_s, exponential, full_jitter

SETTINGS = RetrySettings(attempts=5, horizon_s=1000, base_s=2, cap_s=60)


def test_the_bound_doubles_up_to_the_cap() -> None:
    assert [exponential(n, base_s=2, cap_s=60) for n in range(1, 8)] == [2, 4, 8, 16, 32, 60, 60]
    assert exponential(10**6, base_s=2, cap_s=60) == 60


@given(st.integers(1, 100), st.floats(0, 1))
def test_a_delay_is_between_zero_and_the_bound(attempt: int, draw: float) -> None:
    bound = exponential(attempt, base_s=2, cap_s=60)
    assert 0 <= full_jitter(bound, draw) <= bound


@given(st.integers(1, 4), st.floats(0, 100), st.floats(0, 500), st.floats(0, 1))
def test_no_try_comes_before_retry_after(attempt: int, age_s: float, asked_s: float, draw: float) -> None:
    wait = delay_s(SETTINGS, attempt=attempt, age_s=age_s, retry_after_s=asked_s, draw=draw)
    assert wait is not None
    assert wait >= asked_s


@given(st.integers(1, 5), st.floats(0, 2000), st.floats(min_value=0), st.floats(0, 1))
def test_retry_after_neither_shortens_a_delay_nor_uses_anything_up(
    attempt: int, age_s: float, asked_s: float, draw: float
) -> None:
    own = delay_s(SETTINGS, attempt=attempt, age_s=age_s, retry_after_s=0, draw=draw)
    wait = delay_s(SETTINGS, attempt=attempt, age_s=age_s, retry_after_s=asked_s, draw=draw)
    if own is None:
        assert wait is None
    else:
        assert wait is not None
        assert wait >= own
        assert wait <= max(own, SETTINGS.max_retry_after_s)
        assert age_s + wait <= SETTINGS.horizon_s + 1e-9


@pytest.mark.parametrize("asked_s", [172_800, 900_000, 1e300, math.inf])
def test_retry_after_is_honoured_up_to_a_maximum(asked_s: float) -> None:
    assert delay_s(RetrySettings(), attempt=1, age_s=0, retry_after_s=asked_s, draw=0.5) == 3600
    settings = RetrySettings(max_retry_after_s=90)
    assert delay_s(settings, attempt=1, age_s=0, retry_after_s=asked_s, draw=0.5) == 90


def test_the_last_attempt_has_no_successor() -> None:
    assert delay_s(SETTINGS, attempt=4, age_s=0, retry_after_s=0, draw=0.5) is not None
    assert delay_s(SETTINGS, attempt=5, age_s=0, retry_after_s=0, draw=0.5) is None


def test_no_try_is_made_beyond_the_horizon() -> None:
    assert delay_s(SETTINGS, attempt=4, age_s=990, retry_after_s=0, draw=0.5) == 8
    assert delay_s(SETTINGS, attempt=4, age_s=993, retry_after_s=0, draw=0.5) is None


def test_a_wait_beyond_the_horizon_ends_in_a_last_try_at_it() -> None:
    assert delay_s(SETTINGS, attempt=1, age_s=990, retry_after_s=11, draw=0) == 10
    assert delay_s(SETTINGS, attempt=1, age_s=400, retry_after_s=3000, draw=1) == 600
    assert delay_s(SETTINGS, attempt=2, age_s=1000.5, retry_after_s=3000, draw=0) is None
