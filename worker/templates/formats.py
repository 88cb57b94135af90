"""Template filters that format numbers, money, dates and times for a locale."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation, localcontext
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError, dates, numbers
from jinja2 import Undefined
from msgspec import Struct

_MILLISECONDS_FROM = 100_000_000_000
"""Numbers from here on are milliseconds; as seconds it would be the year 5138."""

_NUMBER = "a number, or a text that is one, is needed"
_MOMENT = "a date or time is needed: ISO 8601, or seconds or milliseconds since 1970"

_MAX_DIGITS = 1_000
"""Digits that a number may have before and after its point. Longer ones are refused: 1e999999 would fill a
text."""

_WIDE = Context(prec=2 * _MAX_DIGITS + 10)
"""For numbers of more digits than the 28 of the default context."""

_SINCE_1970 = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_LEAP_SECOND = re.compile(r"(?<=[0-9]{2}:[0-9]{2}:)60(?![0-9])")
_END_OF_DAY = re.compile(r"(?<=[0-9]{4}-[0-9]{2}-[0-9]{2}[T ])24(?=:00(?::00(?:[.,]0+)?)?(?:Z|[+-]|$))")

_COMMON_DIGITS = 12
_DEFAULT_CONTEXT = nullcontext()

Length = Literal["short", "medium", "long", "full"]


class Formats(Struct, frozen=True):
    """The filters of one locale and time zone. They raise ValueError, whose text does not contain the value."""

    locale: str
    timezone: str

    def filters(self) -> Mapping[str, Callable[..., str]]:
        """The filters by the names that templates use."""
        return {
            "number": self.number,
            "money": self.money,
            "percent": self.percent,
            "date": self.date,
            "time": self.time,
            "datetime": self.datetime,
        }

    def number(self, value: Any, *, locale: str = "") -> str:
        """Format a number: 1234.5 -> 1,234.5."""
        number = _number(value)
        with _context_for(number):
            return numbers.format_decimal(number, locale=self._locale(locale))

    def money(self, value: Any, currency: str, *, locale: str = "") -> str:
        """Format an amount: 1234.5 and EUR -> €1,234.50. The letter case of the currency does not matter."""
        if isinstance(currency, Undefined):
            str(currency)  # raises the error that names what is missing
        if not isinstance(currency, str):
            raise ValueError(f"a currency such as EUR is needed, not {_kind(currency)}")  # noqa: TRY004 - a value that does not fit, as others
        number, code = _number(value), currency.strip().upper()
        with _context_for(number):
            return numbers.format_currency(number, code, locale=self._locale(locale))

    def percent(self, value: Any, *, locale: str = "") -> str:
        """Format a share as percentage: 0.25 -> 25%."""
        number = _number(value)
        with _context_for(number):
            return numbers.format_percent(number, locale=self._locale(locale))

    def date(self, value: Any, format: str = "medium", *, locale: str = "", timezone: str = "") -> str:  # noqa: A002 - as templates call it
        """Format the day; format: a length (short, medium, long, full) or a CLDR pattern."""
        moment = _moment(value)
        day = _in_zone(moment, self._zone(timezone)) if isinstance(moment, datetime) else moment
        return dates.format_date(day, format, locale=self._locale(locale))

    def time(self, value: Any, format: str = "short", *, locale: str = "", timezone: str = "") -> str:  # noqa: A002 - as templates call it
        """Format the time of day in the time zone."""
        zone = self._zone(timezone)
        moment = _in_zone(_with_time(value), zone)
        return dates.format_time(moment, format, tzinfo=zone, locale=self._locale(locale))

    def datetime(self, value: Any, format: str = "medium", *, locale: str = "", timezone: str = "") -> str:  # noqa: A002 - as templates call it
        """Format day and time of day in the time zone."""
        zone = self._zone(timezone)
        moment = _in_zone(_with_time(value), zone)
        return dates.format_datetime(moment, format, tzinfo=zone, locale=self._locale(locale))

    def _locale(self, name: str) -> Locale:
        return locale_of(name or self.locale)

    def _zone(self, name: str) -> ZoneInfo:
        return zone_of(name or self.timezone)


@lru_cache(maxsize=256)
def locale_of(name: str) -> Locale:
    """The locale with a name such as de, de_DE or de-DE. Raises ValueError."""
    try:
        return Locale.parse(name.replace("-", "_"))
    except (ValueError, TypeError, UnknownLocaleError):
        raise ValueError(f"no such locale: {name!r}; write de, de_DE or pt_BR") from None


def zone_of(name: str) -> ZoneInfo:
    """The time zone with a name such as Europe/Berlin. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no such time zone: {name!r}; write UTC or a name such as Europe/Berlin") from None


def _number(value: Any) -> Decimal:
    if isinstance(value, Undefined):
        str(value)  # raises the error that names what is missing
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"{_NUMBER}, not {_kind(value)}")  # noqa: TRY004 - a value that does not fit, as others
    try:
        text = str(value).strip()
        number = Decimal(text[: 3 * _MAX_DIGITS])
    except (InvalidOperation, ValueError):  # ValueError: an int of more digits than Python writes
        raise ValueError(_NUMBER) from None
    if not number.is_finite():
        raise ValueError(_NUMBER)
    if len(text) > 2 * _MAX_DIGITS or number.adjusted() >= _MAX_DIGITS:
        raise ValueError(f"{_NUMBER} of at most {_MAX_DIGITS} digits")
    return number if number.adjusted() > -_MAX_DIGITS else Decimal(0)


def _context_for(number: Decimal) -> AbstractContextManager[object]:
    """The decimal context to round the number in. The default context is kept where it is enough: it is faster."""
    return _DEFAULT_CONTEXT if number.adjusted() < _COMMON_DIGITS else localcontext(_WIDE)


def _in_zone(moment: datetime, zone: ZoneInfo) -> datetime:
    """The moment in the zone; at the limits of the years 1 to 9999, the first or last possible moment."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return datetime.min.replace(tzinfo=zone) if moment.year == 1 else datetime.max.replace(tzinfo=zone)


def _with_time(value: Any) -> datetime:
    moment = _moment(value)
    return moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


def _moment(value: Any) -> datetime | date:
    """A moment with its time zone, UTC where the value names none; a date without a time stays a date."""
    if isinstance(value, Undefined):
        str(value)  # raises the error that names what is missing
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"{_MOMENT}, not {_kind(value)}")  # noqa: TRY004 - a value that does not fit, as others
    try:
        return _since_1970(value) if isinstance(value, int | float | Decimal) else _written(value.strip())
    except (ValueError, OverflowError, OSError, ArithmeticError):
        raise ValueError(_MOMENT) from None


def _since_1970(number: Any) -> datetime:
    """`number`: an int, float or Decimal."""
    seconds = number / 1000 if abs(number) >= _MILLISECONDS_FROM else number
    return datetime.fromtimestamp(float(seconds), UTC)


def _written(text: str) -> datetime | date:
    """Parse a text. 24:00 is the start of the next day; a leap second is shown as the second before it."""
    if len(text) != len("20260301") and _SINCE_1970.fullmatch(text):
        return _since_1970(float(text))
    if len(text) == len("2026-03-01"):
        return date.fromisoformat(text)
    try:  # enough for what most senders write
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        return _written_oddly(text)


def _written_oddly(text: str) -> datetime:
    upper = text.upper()
    seconds_fit = _LEAP_SECOND.sub("59", upper, count=1)
    hours_fit = _END_OF_DAY.sub("00", seconds_fit, count=1)
    moment = datetime.fromisoformat(hours_fit)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment if hours_fit == seconds_fit else _next_day(moment)


def _next_day(midnight: datetime) -> datetime:
    try:
        return midnight + timedelta(days=1)
    except OverflowError:
        return datetime.max.replace(tzinfo=midnight.tzinfo)


def _kind(value: Any) -> str:
    """The name of the value's type in JSON."""
    return {type(None): "null", bool: "true or false", list: "a list", dict: "an object"}.get(type(value), "this")
