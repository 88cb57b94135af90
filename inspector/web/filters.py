"""Filters in addresses and forms: reading them, writing them, and the inputs of the form. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import urlencode

from msgspec import Struct

from inspector.operations.filter_fields import FilterField
from inspector.operations.filters import MAX_CHARS, GroupFilter, fields
from inspector.operations.search import Choices
from inspector.privacy.masking import DEFAULT, Masking

_LATEST_MS = 253_402_300_799_999
_MAX_OPTIONS = 200

F = TypeVar("F", bound=Struct)


class FilterError(ValueError):
    """A field of a form or an address is invalid. The message says which, and why."""


class Input(Struct, frozen=True):
    """An input of the filter form."""

    field: FilterField
    value: str
    options: tuple[tuple[str, str], ...] = ()
    """(value, text) of each option of a select. An input without options is not a select."""


def parse_filter(form: Mapping[str, str], filter_class: type[F]) -> F:
    """The filter in an address or a form. Raises FilterError."""
    values: dict[str, Any] = {field.name: _parse(form, field) for field in fields(filter_class)}
    return filter_class(**values)


def to_form(letter_filter: Struct) -> dict[str, str]:
    """The fields that are set, as `parse_filter` reads them."""
    values = ((field, getattr(letter_filter, field.name)) for field in fields(type(letter_filter)))
    return {
        field.input_name: _format_time(int(value), field) if field.type == "time" else str(value)
        for field, value in values
        if value != field.default
    }


def to_address(path: str, form: Mapping[str, str]) -> str:
    """A link to a page with a filter and other parameters. Empty values are left out."""
    query = urlencode([(name, value) for name, value in form.items() if value])
    return f"{path}?{query}" if query else path


def inputs(letter_filter: GroupFilter, choices: Choices, masking: Masking = DEFAULT) -> list[Input]:
    """The inputs of the form, except those that have a place of their own in the template.

    A field with choices is a select of the values that exist, and of the selected value even if no letter has it.
    Values that may be personal data are not offered.
    """
    return [
        _select(field, str(getattr(letter_filter, field.name)), choices.by_field[field.name], masking)
        if field.name in choices.by_field
        else plain_input(letter_filter, field, _options(field))
        for field in fields(type(letter_filter))
        if field.form != "own"
    ]


def _options(field: FilterField) -> tuple[tuple[str, str], ...]:
    return (("", "any"), *((value, value) for value in field.values)) if field.values else ()


def _select(field: FilterField, value: str, counts: Mapping[str, int], masking: Masking) -> Input:
    offered = ((choice, count) for choice, count in counts.items() if masking.text(choice) == choice)
    shown = dict(islice(offered, _MAX_OPTIONS))
    if value:
        shown.setdefault(value, counts.get(value, 0))
    options = (("", "any"), *((choice, f"{choice} ({count:,})") for choice, count in shown.items()))
    return Input(field, value, options)


def plain_input(chosen: Struct, field: FilterField, options: tuple[tuple[str, str], ...] = ()) -> Input:
    """The input of a field with the chosen value: a select of the options, or without options a text field."""
    return Input(field, _input_value(field, getattr(chosen, field.name)), options)


def _input_value(field: FilterField, value: str | int) -> str:
    if value == field.default:
        return ""
    if field.type == "time":
        return _utc(min(int(value), _LATEST_MS) // 1000)
    return str(value)


def _parse(form: Mapping[str, str], field: FilterField) -> str | int:
    text = form.get(field.input_name, "").strip()
    if not text:
        return field.default
    match field.type:
        case "time":
            return _parse_time(text, field)
        case "number":
            return _parse_number(text, field)
        case "text":
            return _parse_text(text, field)


def _parse_text(text: str, field: FilterField) -> str:
    if len(text) > MAX_CHARS:
        raise FilterError(f"{field.input_name} is longer than {MAX_CHARS} characters")
    # A form may hold lone surrogates, which the Redis client cannot encode.
    return text.encode("utf-8", "replace").decode()


def _parse_number(text: str, field: FilterField) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise FilterError(f"{field.input_name.replace('_', ' ')} must be a number from 0 to 999999")
    return int(text)


def _parse_time(text: str, field: FilterField) -> int:
    """A time from ms since 1970, or from ISO 8601 to the second. Without a time zone it is UTC."""
    if text.isascii() and text.isdigit() and len(text) < 16:
        return min(int(text), _LATEST_MS)
    try:
        at = datetime.fromisoformat(text)
        ms = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()) * 1000 + _rest_ms(field)
    except (ValueError, OverflowError):
        raise FilterError(f"{field.input_name} must be a time, for example 2026-01-31T12:00") from None
    if ms <= 0:
        raise FilterError(f"{field.input_name} must be a time after 1970")
    return ms


def _format_time(ms: int, field: FilterField) -> str:
    if ms % 1000 != _rest_ms(field) or ms > _LATEST_MS:
        return str(ms)
    return _utc(ms // 1000)


def _rest_ms(field: FilterField) -> int:
    return 999 if field.is_upper_bound else 0


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
