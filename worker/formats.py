"""Numbers, money, dates and times as people of a locale write them: filters for templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError, dates, numbers
from jinja2 import Undefined
from msgspec import Struct

_MILLISECONDS_FROM = 100_000_000_000
"""A larger number counts milliseconds: as seconds it would be in the year 5138."""

_NUMBER = "a number, or a text that is one, is needed"
_MOMENT = "a date or time is needed: ISO 8601, or seconds or milliseconds since 1970"

Length = Literal["short", "medium", "long", "full"]


class Formats(Struct, frozen=True):
    """The filters of one locale and time zone. ValueError tells what they cannot write, without it."""

    locale: str
    timezone: str

    def filters(self) -> Mapping[str, Callable[..., str]]:
        """By the names that templates use."""
        return {
            "number": self.number,
            "money": self.money,
            "percent": self.percent,
            "date": self.date,
            "time": self.time,
            "datetime": self.datetime,
        }

    def number(self, value: Any, *, locale: str = "") -> str:
        """1234.5 -> 1,234.5."""
        return numbers.format_decimal(_number(value), locale=self._locale(locale))

    def money(self, value: Any, currency: str, *, locale: str = "") -> str:
        """1234.5 and EUR -> €1,234.50."""
        return numbers.format_currency(_number(value), currency, locale=self._locale(locale))

    def percent(self, value: Any, *, locale: str = "") -> str:
        """0.25 -> 25%."""
        return numbers.format_percent(_number(value), locale=self._locale(locale))

    def date(self, value: Any, format: str = "medium", *, locale: str = "", timezone: str = "") -> str:  # noqa: A002 - as templates call it
        """The day: a length (short, medium, long, full) or a CLDR pattern."""
        moment = _moment(value)
        day = moment.astimezone(self._zone(timezone)) if isinstance(moment, datetime) else moment
        return dates.format_date(day, format, locale=self._locale(locale))

    def time(self, value: Any, format: str = "short", *, locale: str = "", timezone: str = "") -> str:  # noqa: A002 - as templates call it
        """The time of day in the time zone."""
        return dates.format_time(
            _with_time(value),
            format,
            tzinfo=self._zone(timezone),
            locale=self._locale(locale),
        )

    def datetime(self, value: Any, format: str = "medium", *, locale: str = "", timezone: str = "") -> str:  # noqa: A002 - as templates call it
        """Day and time of day in the time zone."""
        return dates.format_datetime(
            _with_time(value),
            format,
            tzinfo=self._zone(timezone),
            locale=self._locale(locale),
        )

    def _locale(self, asked: str) -> Locale:
        return found_locale(asked or self.locale)

    def _zone(self, asked: str) -> ZoneInfo:
        return found_zone(asked or self.timezone)


@lru_cache(maxsize=256)
def found_locale(name: str) -> Locale:
    """The locale of a name as de, de_DE or de-DE. Raises ValueError."""
    try:
        return Locale.parse(name.replace("-", "_"))
    except (ValueError, TypeError, UnknownLocaleError):
        raise ValueError(f"no such locale: {name!r}; write de, de_DE or pt_BR") from None


def found_zone(name: str) -> ZoneInfo:
    """The time zone of a name as Europe/Berlin. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no such time zone: {name!r}; write UTC or a name as Europe/Berlin") from None


def _number(value: Any) -> Decimal:
    if isinstance(value, Undefined):
        str(value)  # tells what is missing
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"{_NUMBER}, not {_kind(value)}")  # noqa: TRY004 - a value that does not fit, as others
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError(_NUMBER) from None
    if not found.is_finite():
        raise ValueError(_NUMBER)
    return found


def _with_time(value: Any) -> datetime:
    moment = _moment(value)
    return moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


def _moment(value: Any) -> datetime | date:
    """A moment with its time zone, UTC where it names none; a day alone stays one."""
    if isinstance(value, Undefined):
        str(value)  # tells what is missing
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{_MOMENT}, not {_kind(value)}")  # noqa: TRY004 - a value that does not fit, as others
    try:
        if isinstance(value, int | float):
            seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, UTC)
        text = value.strip()
        if len(text) == len("2026-03-01"):
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise ValueError(_MOMENT) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _kind(value: Any) -> str:
    """What JSON calls it."""
    return {type(None): "null", bool: "true or false", list: "a list", dict: "an object"}.get(type(value), "this")
