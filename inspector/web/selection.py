"""The dead letters that a form selects: those that were ticked, or all that match its filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs
from multidict import MultiMapping

from broker.dead_letters import DeadLetter
from broker.merged.away import Away
from broker.redis.partitions import Partitions
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

    away: Away = {}
    """Partitions that did not answer. Their letters are not selected."""


async def read_selection(partitions: Partitions, form: MultiMapping[str]) -> FormSelection:
    """The dead letters that a form selects now. Raises FilterError and BrokerError."""
    if form.get("scope") != "all":
        return await _ticked(partitions, form.getall("id", []))
    letter_filter, until_ms = parse_filter(form, Filter), _until_ms(form)
    away: Away = {}
    selection = await bulk_actions.select(partitions, _limited(letter_filter, until_ms), away=away)
    return await _matching(partitions, structs.replace(selection, letter_filter=letter_filter), away)


async def _matching(partitions: Partitions, selection: Selection, away: Away) -> FormSelection:
    letter_filter = selection.letter_filter
    limited = _limited(letter_filter, selection.until_ms)
    page = await search.find(partitions, limited, limit=SAMPLES, away=away)
    sample = [entry.letter for entry in page.entries]
    form = {"scope": "all", **to_form(letter_filter), "until_ms": str(selection.until_ms)}
    return FormSelection(selection, selection.count, describe(letter_filter), sample, list(form.items()), away)


async def _ticked(partitions: Partitions, ids: Sequence[str]) -> FormSelection:
    if len(ids) > MAX_TICKED:
        raise FilterError(f"at most {MAX_TICKED} letters can be selected; use a filter and choose all that match")
    away: Away = {}
    letters = await search.get_letters(partitions, ids, away=away)
    existing = tuple(letter.id for letter in letters)
    form = [("scope", "ids"), *(("id", letter_id) for letter_id in existing)]
    description = count_of(len(existing), "selected letter")
    return FormSelection(existing, len(existing), description, letters[:SAMPLES], form, away)


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
