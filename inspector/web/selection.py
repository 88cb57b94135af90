"""Which dead letters a form means: those that it names, or all that its filter selects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs
from multidict import MultiMapping

from broker.dead_letters import DeadLetter
from broker.redis.client import Client
from inspector import operations
from inspector.formatting import count_of
from inspector.operations import Filter, Selection
from inspector.web.filters import FilterError, fields_of, filter_of

MOST_NAMED = 500
SAMPLES = 5


class Chosen(Struct, frozen=True):
    """What something is done to."""

    what: Selection | tuple[str, ...]
    """A filter at a moment, or ids."""

    count: int
    """Letters that are there."""

    words: str
    sample: Sequence[DeadLetter]
    fields: Sequence[tuple[str, str]]
    """What a form says to mean the same."""


async def chosen_of(redis: Client, form: MultiMapping[str]) -> Chosen:
    """What a form means, as it stands now. Raises FilterError and BrokerError."""
    if form.get("scope") != "all":
        return await _named(redis, form.getall("id", []))
    wanted, until_ms = filter_of(form), _until_ms(form)
    found = await operations.select(redis, _closed(wanted, until_ms))
    return await _selected(redis, Selection(wanted, found.until_ms, found.count))


async def _selected(redis: Client, selection: Selection) -> Chosen:
    wanted = selection.wanted
    page = await operations.find(redis, _closed(wanted, selection.until_ms), limit=SAMPLES)
    given = {"scope": "all", **fields_of(wanted), "until_ms": str(selection.until_ms)}
    words = operations.in_words(wanted)
    return Chosen(selection, selection.count, words, [found.letter for found in page.found], list(given.items()))


async def _named(redis: Client, ids: Sequence[str]) -> Chosen:
    if len(ids) > MOST_NAMED:
        raise FilterError(f"at most {MOST_NAMED} letters can be ticked: take all that match a filter")
    letters = await operations.named(redis, ids)
    names = tuple(letter.id for letter in letters)
    fields = [("scope", "ids"), *(("id", name) for name in names)]
    return Chosen(names, len(names), count_of(len(names), "chosen letter"), letters[:SAMPLES], fields)


def _closed(wanted: Filter, until_ms: int) -> Filter:
    """The filter without what died later; 0 for no bound."""
    ends = [end for end in (wanted.until_ms, until_ms) if end]
    return structs.replace(wanted, until_ms=min(ends, default=0))


def _until_ms(form: Mapping[str, str]) -> int:
    """The moment of an earlier look, 0 for none."""
    given = form.get("until_ms", "")
    if not given:
        return 0
    if not (given.isascii() and given.isdigit() and len(given) < 16):
        raise FilterError("until_ms must be a time in ms since 1970")
    return int(given)
