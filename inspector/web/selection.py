"""The dead letters that a form selects: those that were ticked, or all that match its filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs
from multidict import MultiMapping

from broker.dead_letters import DeadLetter
from broker.redis.client import Client
from inspector.formatting import count_of
from inspector.operations import bulk_actions, search
from inspector.operations.bulk_actions import Selection
from inspector.operations.filters import Filter, describe
from inspector.web.filters import FilterError, parse_filter, to_form

MAX_TICKED = 500
SAMPLES = 5


class FormSelection(Struct, frozen=True):
    """The dead letters that a form selects."""

    target: Selection | tuple[str, ...]
    """A filter at one moment, or ids."""

    count: int
    """How many of the letters exist."""

    description: str
    sample: Sequence[DeadLetter]
    fields: Sequence[tuple[str, str]]
    """Form fields that select the same letters again."""


async def read_selection(redis: Client, form: MultiMapping[str]) -> FormSelection:
    """The dead letters that a form selects now. Raises FilterError and BrokerError."""
    if form.get("scope") != "all":
        return await _ticked(redis, form.getall("id", []))
    letter_filter, until_ms = parse_filter(form), _until_ms(form)
    selection = await bulk_actions.select(redis, _limited(letter_filter, until_ms))
    return await _matching(redis, structs.replace(selection, letter_filter=letter_filter))


async def _matching(redis: Client, selection: Selection) -> FormSelection:
    letter_filter = selection.letter_filter
    page = await search.find(redis, _limited(letter_filter, selection.until_ms), limit=SAMPLES)
    sample = [entry.letter for entry in page.entries]
    form = {"scope": "all", **to_form(letter_filter), "until_ms": str(selection.until_ms)}
    return FormSelection(selection, selection.count, describe(letter_filter), sample, list(form.items()))


async def _ticked(redis: Client, ids: Sequence[str]) -> FormSelection:
    if len(ids) > MAX_TICKED:
        raise FilterError(f"at most {MAX_TICKED} letters can be ticked; use a filter and choose all that match")
    letters = await search.get_letters(redis, ids)
    existing = tuple(letter.id for letter in letters)
    form = [("scope", "ids"), *(("id", letter_id) for letter_id in existing)]
    description = count_of(len(existing), "selected letter")
    return FormSelection(existing, len(existing), description, letters[:SAMPLES], form)


def _limited(letter_filter: Filter, until_ms: int) -> Filter:
    """The filter without letters that died after `until_ms`; 0 for no limit."""
    limits = [limit for limit in (letter_filter.until_ms, until_ms) if limit]
    return structs.replace(letter_filter, until_ms=min(limits, default=0))


def _until_ms(form: Mapping[str, str]) -> int:
    """The time of the page that the form is on; 0 if it has none."""
    text = form.get("until_ms", "")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise FilterError("until_ms must be a time in ms since 1970")
    return int(text)
