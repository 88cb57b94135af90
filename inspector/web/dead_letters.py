"""The list of dead letters, with its filters in the address."""

from __future__ import annotations

from contextlib import aclosing
from itertools import islice

from aiohttp import hdrs, web
from msgspec import Struct

from inspector import operations
from inspector.formatting import size
from inspector.http.app_context import AppContext
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.operations import Choices, CursorError, Filter
from inspector.privacy.masking import DEFAULT, Masking
from inspector.web.filters import FilterError, address_of, fields_of, filter_of, input_time
from inspector.web.pages import Pages

A_PAGE = 50
MOST_EXPORTED = 5_000
"""Letters of one download: they are in memory together."""

MOST_EXPORTED_BYTES = 64 * 1024 * 1024

_MOST_CHOICES = 200
_TRAIL = 8
"""Pages that lead back one by one; beyond, to the newest."""

_SELECTS = {
    "reason": "Reason",
    "channel": "Channel",
    "event": "Event",
    "source": "Source",
    "stage": "Died at",
    "rule": "Rule",
    "error_class": "Kind of error",
}
_AT_FIRST = ("reason", "channel", "event")
_SPANS = (("last hour", 3_600_000), ("last day", 86_400_000), ("last week", 604_800_000))


class Select(Struct, frozen=True):
    """One field to filter by."""

    name: str
    title: str
    chosen: str
    options: tuple[tuple[str, str], ...]
    """Value, and what is said of it."""


class Ways(Struct, frozen=True):
    """Links to other pages of a list, "" where there is none."""

    newest: str
    newer: str
    older: str


def letters_routes(context: AppContext, pages: Pages) -> list[Route]:
    """The page at /dead, and what it shows as a file."""

    async def letters(request: web.Request, principal: Principal) -> Answer:
        try:
            wanted = filter_of(request.query)
            cursor = request.query.get("cursor", "")
            page = await operations.find(context.redis, wanted, limit=A_PAGE, cursor=cursor)
        except (FilterError, CursorError) as error:
            return ErrorAnswer(400, f"{error}.")
        selects = selects_of(await operations.choices(context.redis), wanted, context.configured.masking)
        now_ms = context.redis.clock.now_ms()
        total = await operations.count(context.redis, wanted)
        return pages.show(
            request,
            principal,
            "letters.html",
            wanted=wanted,
            fields=fields_of(wanted),
            words=words_of(wanted, total),
            letters=[found.letter for found in page.found],
            total=total,
            at_first=[one for one in selects if one.name in _AT_FIRST],
            more=[one for one in selects if one.name not in _AT_FIRST],
            is_more_used=bool(set(wanted.given()) - {*_AT_FIRST, "search", "fingerprint"}),
            since=input_time(wanted.since_ms),
            until=input_time(wanted.until_ms),
            spans=spans(wanted, now_ms),
            ways=ways(fields_of(wanted), cursor, request.query.get("trail", ""), page.cursor),
            without_group=address_of("/dead", {**fields_of(wanted), "fingerprint": ""}),
            now_ms=now_ms,
            shown=context.configured.masking.text,
        )

    async def export(request: web.Request, principal: Principal) -> Answer:
        form = {name: str(value) for name, value in (await request.post()).items()}
        try:
            wanted = filter_of(form)
        except FilterError as error:
            return ErrorAnswer(400, f"{error}.")
        if await operations.count(context.redis, wanted) > MOST_EXPORTED:
            return ErrorAnswer(
                413, f"These are more than {MOST_EXPORTED:,}: `hookline dead export` writes them all."
            )
        exported = bytearray()
        async with aclosing(operations.export(context.redis, wanted, by=principal.name)) as pieces:
            async for piece in pieces:
                exported += piece
                if len(exported) > MOST_EXPORTED_BYTES:
                    most = size(MOST_EXPORTED_BYTES)
                    return ErrorAnswer(413, f"These are more than {most}: `hookline dead export` writes them all.")
        return web.Response(
            body=exported,
            content_type="application/jsonl",
            headers={hdrs.CONTENT_DISPOSITION: 'attachment; filename="dead-letters.jsonl"'},
        )

    return [Route("GET", "/dead", letters), Route("POST", "/dead/export", export, "reveal")]


def selects_of(choices: Choices, wanted: Filter, masking: Masking = DEFAULT) -> list[Select]:
    """The fields to filter by, each with what there is; what is chosen stands there even when none has it.

    Event names that hold personal data are not offered.
    """
    found = []
    for name, title in _SELECTS.items():
        chosen = getattr(wanted, name)
        known = ((value, count) for value, count in choices.by_field[name].items() if masking.text(value) == value)
        counts = dict(islice(known, _MOST_CHOICES))
        if chosen:
            counts.setdefault(chosen, choices.by_field[name].get(chosen, 0))
        options = tuple((value, f"{value} ({count:,})") for value, count in counts.items())
        found.append(Select(name, title, chosen, options))
    return found


def words_of(wanted: Filter, total: int) -> str:
    """What stands behind the number of them: `dead letters for channel crm`."""
    words = operations.in_words(wanted).removeprefix("all ")
    return words.replace("letters", "letter", 1) if total == 1 else words


def spans(wanted: Filter, now_ms: int) -> list[tuple[str, str]]:
    """Links to the same of the last hour, day, week."""
    fields = fields_of(wanted)
    return [
        (title, address_of("/dead", {**fields, "until": "", **fields_of(Filter(since_ms=since))}))
        for title, since in ((title, (now_ms - length) // 1000 * 1000) for title, length in _SPANS)
    ]


def ways(fields: dict[str, str], cursor: str, trail: str, older: str) -> Ways:
    """Links from one page of a list to others. `trail`: the cursors of those before but the newest."""
    steps = [step for step in trail.split(".") if step][-_TRAIL:]
    newer = {**fields, "cursor": steps[-1], "trail": ".".join(steps[:-1])} if steps else fields
    on = [*steps, cursor] if cursor else []
    return Ways(
        newest=address_of("/dead", fields) if cursor else "",
        newer=address_of("/dead", newer) if cursor else "",
        older=address_of("/dead", {**fields, "cursor": older, "trail": ".".join(on[-_TRAIL:])}) if older else "",
    )
