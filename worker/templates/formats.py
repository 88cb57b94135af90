"""Numbers, money, dates and times as people of a locale write them: filters for templates."""

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
"""A larger number counts milliseconds: as seconds it would be in the year 5138."""

_NUMBER = "a number, or a text that is one, is needed"
_MOMENT = "a date or time is needed: ISO 8601, or seconds or milliseconds since 1970"

_MAX_DIGITS = 1_000
"""Digits of a number before and after its point; longer ones are refused, since 1e999999 would fill a text."""

_WIDE = Context(prec=2 * _MAX_DIGITS + 10)
"""The default context of 28 digits cannot round a longer number."""

_SINCE_1970 = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_LEAP_SECOND = re.compile(r"(?<=[0-9]{2}:[0-9]{2}:)60(?![0-9])")
_END_OF_DAY = re.compile(r"(?<=[0-9]{4}-[0-9]{2}-[0-9]{2}[T ])24(?=:00(?::00(?:[.,]0+)?)?(?:Z|[+-]|$))")

_COMMON_DIGITS = 12
_AS_IT_IS = nullcontext()

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
        number = _number(value)
        with _context_for(number):
            return numbers.format_decimal(number, locale=self._locale(locale))

    def money(self, value: Any, currency: str, *, locale: str = "") -> str:
        """1234.5 and EUR -> €1,234.50. The currency's letter case does not matter."""
        if isinstance(currency, Undefined):
            str(currency)  # raises the error that names what is missing
        if not isinstance(currency, str):
            raise ValueError(f"a currency such as EUR is needed, not {_kind(currency)}")  # noqa: TRY004 - a value that does not fit, as others
        number, code = _number(value), currency.strip().upper()
        with _context_for(number):
            return numbers.format_currency(number, code, locale=self._locale(locale))

    def percent(self, value: Any, *, locale: str = "") -> str:
        """0.25 -> 25%."""
        number = _number(value)
        with _context_for(number):
            return numbers.format_percent(number, locale=self._locale(locale))

    def date(self, value: Any, format: str = "medium", *, locale: str = "", timezone: str = "") -> str:  # noqa: A002 - as templates call it
        """The day: a length (short, medium, long, full) or a CLDR pattern."""
        moment = _moment(value)
        day = _in_zone(moment, self._zone(timezone)) if isinstance(moment, datetime) else moment
        return dates.format_date(day, format, locale=self._locale(locale))

    def time(self, value: Any, format: str = "short", *, locale: str = "", timezone: str = "") -> str:  # noqa: A002 - as templates call it
        """The time of day in the time zone."""
        zone = self._zone(timezone)
        moment = _in_zone(_with_time(value), zone)
        return dates.format_time(moment, format, tzinfo=zone, locale=self._locale(locale))

    def datetime(self, value: Any, format: str = "medium", *, locale: str = "", timezone: str = "") -> str:  # noqa: A002 - as templates call it
        """Day and time of day in the time zone."""
        zone = self._zone(timezone)
        moment = _in_zone(_with_time(value), zone)
        return dates.format_datetime(moment, format, tzinfo=zone, locale=self._locale(locale))

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
        text = str(value).strip()
        found = Decimal(text[: 3 * _MAX_DIGITS])
    except (InvalidOperation, ValueError):  # ValueError: an int of more digits than Python writes
        raise ValueError(_NUMBER) from None
    if not found.is_finite():
        raise ValueError(_NUMBER)
    if len(text) > 2 * _MAX_DIGITS or found.adjusted() >= _MAX_DIGITS:
        raise ValueError(f"{_NUMBER} of at most {_MAX_DIGITS} digits")
    return found if found.adjusted() > -_MAX_DIGITS else Decimal(0)


def _context_for(number: Decimal) -> AbstractContextManager[object]:
    """The context to round it in. The default one is kept where it does, since to change it takes time."""
    return _AS_IT_IS if number.adjusted() < _COMMON_DIGITS else localcontext(_WIDE)


def _in_zone(moment: datetime, zone: ZoneInfo) -> datetime:
    """The moment by the clocks of the zone, moved to the first or last moment of the years 1 to 9999."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return datetime.min.replace(tzinfo=zone) if moment.year == 1 else datetime.max.replace(tzinfo=zone)


def _with_time(value: Any) -> datetime:
    moment = _moment(value)
    return moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


def _moment(value: Any) -> datetime | date:
    """A moment with its time zone, UTC where it names none; a day alone stays one."""
    if isinstance(value, Undefined):
        str(value)  # tells what is missing
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
    """What a text means. 24:00 is the start of the next day; a leap second is shown as the second before it."""
    if len(text) != len("20260301") and _SINCE_1970.fullmatch(text):
        return _since_1970(float(text))
    if len(text) == len("2026-03-01"):
        return date.fromisoformat(text)
    try:  # what most senders write needs nothing else
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
    """What JSON calls it."""
    return {type(None): "null", bool: "true or false", list: "a list", dict: "an object"}.get(type(value), "this")
