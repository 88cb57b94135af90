"""Formatting of the numbers and dates of payloads, in all the forms that senders use."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.templates.formats import Formats

BERLIN, NEW_YORK, UTC = (Formats("en", zone) for zone in ("Europe/Berlin", "America/New_York", "UTC"))
ALL = (BERLIN, NEW_YORK, UTC, Formats("de_DE", "Pacific/Kiritimati"))


@pytest.mark.parametrize(
    ("formats", "value", "written"),
    [
        (BERLIN, "9999-12-31T23:59:59.000Z", "Dec 31, 9999"),
        (NEW_YORK, "0001-01-01T00:00:00Z", "Jan 1, 1"),
        (UTC, "2016-12-31T23:59:60Z", "Dec 31, 2016"),
        (UTC, "2016-12-31T23:59:60.500Z", "Dec 31, 2016"),
        (UTC, "2026-03-01T24:00:00Z", "Mar 2, 2026"),
        (UTC, "9999-12-31T24:00:00Z", "Dec 31, 9999"),
        (UTC, "2026-03-01t12:30:00.123456789z", "Mar 1, 2026"),
        (UTC, "2026-03-01T23:30:00-05:00", "Mar 2, 2026"),
        (UTC, "1711929600", "Apr 1, 2024"),
        (UTC, "1711929600000", "Apr 1, 2024"),
        (UTC, "1711929600.25", "Apr 1, 2024"),
        (UTC, 1711929600, "Apr 1, 2024"),
        (UTC, "20240401", "Apr 1, 2024"),
    ],
)
def test_dates_as_senders_write_them_are_formatted(formats: Formats, value: Any, written: str) -> None:
    assert formats.date(value) == written


@pytest.mark.parametrize(
    "value", ["2026-03-01T24:30:00Z", "2026-03-01T23:59:61Z", "2026-02-30", "soon", "", "1e9"]
)
def test_an_invalid_date_is_an_error(value: str) -> None:
    with pytest.raises(ValueError, match="a date or time is needed"):
        UTC.date(value)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (123456789012345678901234567890, "123,456,789,012,345,678,901,234,567,890"),
        ("1e400", f"{10**400:,}"),
        ("1e-999999", "0"),
        ("10.00", "10"),
    ],
)
def test_long_numbers_are_formatted(value: Any, written: str) -> None:
    assert UTC.number(value) == written


def test_a_currency_may_be_written_in_lower_case() -> None:
    assert UTC.money("19.90", "eur") == "€19.90"


@pytest.mark.parametrize("value", ["1e999999", "9" * 5000, 10**5000], ids=["exponent", "text", "integer"])
def test_a_number_too_long_to_write_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="a number, or a text that is one, is needed"):
        UTC.number(value)


@given(
    st.one_of(st.text(), st.integers(), st.floats(), st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.,zZ+-]*"))
)
def test_any_value_is_formatted_or_refused_with_the_same_error(value: Any) -> None:
    for write in (UTC.number, BERLIN.date, NEW_YORK.datetime, BERLIN.time, UTC.percent):
        try:
            assert write(value)
        except ValueError as error:
            assert "needed" in str(error)


OFFSETS = st.integers(min_value=-23 * 60 - 59, max_value=23 * 60 + 59).map(
    lambda m: timezone(timedelta(minutes=m))
)


@given(st.datetimes(timezones=OFFSETS), st.sampled_from("Tt "))
def test_every_rfc_3339_instant_is_written_in_every_zone(moment: datetime, separator: str) -> None:
    text = moment.isoformat(separator)

    for formats in ALL:
        assert all((formats.date(text, "full"), formats.time(text, "full"), formats.datetime(text, "full")))
