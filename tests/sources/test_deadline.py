"""Tests of how many of the provider's retries an outage uses up."""

from hypothesis import given
from hypothesis import strategies as st

from sources.providers.shopify import SHOPIFY
from sources.retry_deadline import clock, disabled_at_ms, is_past_the_last_try, tries_left, tries_used, warning
from sources.voucherify import VOUCHERIFY
from sources.voucherify.retry_schedule import RETRY_SCHEDULE_S

HOUR_S = 3600.0
SINCE_MS = 1_795_000_000_000
outages_s = st.floats(0, 200_000)
rising = st.lists(st.floats(1, 1e6), unique=True).map(sorted).map(tuple)


def test_the_schedule_is_the_published_one() -> None:
    minutes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440]
    assert [at / 60 for at in RETRY_SCHEDULE_S] == minutes


def test_the_retries_that_some_outages_use_up() -> None:
    used = {seconds: tries_used(RETRY_SCHEDULE_S, seconds) for seconds in (0, 59.9, 60, 300, HOUR_S, 86_400, 1e6)}
    assert used == {0: 0, 59.9: 0, 60: 1, 300: 3, HOUR_S: 6, 86_400: 12, 1e6: 12}


@given(rising, outages_s)
def test_used_and_remaining_retries_add_up(schedule_s: tuple[float, ...], outage_s: float) -> None:
    assert tries_used(schedule_s, outage_s) + tries_left(schedule_s, outage_s) == len(schedule_s)
    assert tries_left(schedule_s, outage_s) >= 0


@given(rising, outages_s, outages_s)
def test_a_longer_outage_never_uses_fewer_retries(
    schedule_s: tuple[float, ...], one_s: float, other_s: float
) -> None:
    shorter, longer = sorted((one_s, other_s))
    assert tries_used(schedule_s, shorter) <= tries_used(schedule_s, longer)


@given(rising)
def test_each_retry_is_used_at_its_time_and_not_before(schedule_s: tuple[float, ...]) -> None:
    for number, at_s in enumerate(schedule_s, start=1):
        assert tries_used(schedule_s, at_s) == number
        assert tries_used(schedule_s, at_s - 1e-6) <= number


@given(st.integers(0, 2 * 86_400_000))
def test_retries_are_left_exactly_until_the_webhook_is_disabled(outage_ms: int) -> None:
    last_ms = disabled_at_ms(RETRY_SCHEDULE_S, SINCE_MS)
    assert last_ms is not None
    left = tries_left(RETRY_SCHEDULE_S, outage_ms / 1000)
    assert (left > 0) == (SINCE_MS + outage_ms < last_ms)
    assert is_past_the_last_try(VOUCHERIFY, SINCE_MS, SINCE_MS + outage_ms) == (left == 0)


def test_a_provider_that_never_gives_up_disables_nothing() -> None:
    assert disabled_at_ms((), SINCE_MS) is None
    assert tries_left((), 1e9) == 0


def test_the_warning_says_how_many_retries_are_left_and_until_when() -> None:
    text = warning(VOUCHERIFY, SINCE_MS, SINCE_MS + 300_000)
    until = clock(SINCE_MS + 86_400_000)
    assert text == f"about 9 tries (until {until}) before Voucherify gives up and may disable this webhook"
    assert "about 1 try (" in warning(VOUCHERIFY, SINCE_MS, SINCE_MS + 20 * 3_600_000)


def test_no_number_of_tries_is_given_if_only_the_end_of_the_schedule_is_known() -> None:
    text = warning(SHOPIFY, SINCE_MS, SINCE_MS + 300_000)
    assert text == f"Shopify gives up at about {clock(SINCE_MS + 4 * 3_600_000)}, and may disable this webhook"


def test_after_the_last_retry_the_warning_says_what_to_enable_and_where() -> None:
    text = warning(VOUCHERIFY, SINCE_MS, SINCE_MS + 86_400_000)
    assert "used up" in text
    assert "Project settings" in text and "distributions" in text
