"""Times and rates as people type them."""

import pytest

from inspector.presentation.parse_time import parse_rate, parse_time

NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("90s", NOW_MS - 90_000),
        ("15m", NOW_MS - 900_000),
        ("15 min", NOW_MS - 900_000),
        ("2h", NOW_MS - 7_200_000),
        (" 3d ", NOW_MS - 259_200_000),
        ("1w", NOW_MS - 604_800_000),
        ("999999w", 1),
        ("2026-01-31", 1_769_817_600_000),
        ("2026-01-31T12:00", 1_769_860_800_000),
        ("2026-01-31 12:00:00.250Z", 1_769_860_800_250),
        ("2026-01-31T12:00+02:00", 1_769_853_600_000),
    ],
)
def test_a_time_is_an_iso_date_or_an_age(text: str, ms: int) -> None:
    assert parse_time(text, now_ms=NOW_MS) == ms


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2", "2x", "-2h", "٣d", "2026-13-01", "1969-01-01", "0001-01-01"]
)
def test_an_invalid_time_is_reported_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time; write 2026-01-31"):
        parse_time(text, now_ms=NOW_MS)


@pytest.mark.parametrize(("text", "rate"), [("50/s", 50), ("50", 50), ("600/min", 10), ("1800 / h", 0.5)])
def test_a_rate_is_a_number_for_each_unit_of_time(text: str, rate: float) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "/s", "fast", "0/s", "-1/s", "1/y", "nan/s", "inf/s"])
def test_an_invalid_rate_is_reported(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate; write 50/s"):
        parse_rate(text)
