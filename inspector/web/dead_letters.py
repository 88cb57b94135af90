"""The page that lists dead letters, with the filter in its address, and their export."""

from __future__ import annotations

from contextlib import aclosing

from aiohttp import hdrs, web
from msgspec import Struct

from broker.merged.away import Away
from inspector.formatting import size
from inspector.http.app_context import AppContext
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.operations import search
from inspector.operations.export import export_lines
from inspector.operations.filters import Filter, describe
from inspector.operations.search import CursorError
from inspector.operations.status import incomplete
from inspector.web.filters import FilterError, inputs, parse_filter, to_address, to_form
from inspector.web.pages import Pages

PAGE_SIZE = 50
MAX_EXPORTED = 5_000
"""Most letters in a download, which is in memory as a whole."""

MAX_EXPORTED_BYTES = 64 * 1024 * 1024

_MAX_TRAIL = 8
"""Most pages that "Newer" leads back to one by one. Beyond, it leads to the newest page."""

_SPANS = (("last hour", 3_600_000), ("last day", 86_400_000), ("last week", 604_800_000))


class PageLinks(Struct, frozen=True):
    """Links to other pages of the list; "" if there is no such page."""

    newest: str
    newer: str
    older: str


def letters_routes(context: AppContext, pages: Pages) -> list[Route]:
    """The routes of the list at /dead and of its export."""

    async def letters(request: web.Request, principal: Principal) -> Answer:
        partitions, away = context.partitions, Away()
        try:
            letter_filter = parse_filter(request.query)
            cursor = request.query.get("cursor", "")
            page = await search.find(partitions, letter_filter, limit=PAGE_SIZE, cursor=cursor, away=away)
        except (FilterError, CursorError) as error:
            return ErrorAnswer(400, f"{error}.")
        choices = await search.choices(partitions, away=away)
        filter_inputs = inputs(letter_filter, choices, context.configured.masking)
        now_ms = partitions.control.clock.now_ms()
        total = await search.count(partitions, letter_filter, away=away)
        return pages.show(
            request,
            principal,
            "letters.html",
            letter_filter=letter_filter,
            fields=to_form(letter_filter),
            description=description_of(letter_filter, total),
            letters=[entry.letter for entry in page.entries],
            total=total,
            incomplete=incomplete(away),
            first_inputs=[item for item in filter_inputs if item.field.form == "first"],
            more_inputs=[item for item in filter_inputs if item.field.form == "more"],
            spans=spans(letter_filter, now_ms),
            links=page_links(to_form(letter_filter), cursor, request.query.get("trail", ""), page.cursor),
            without_group=to_address("/dead", {**to_form(letter_filter), "fingerprint": ""}),
            now_ms=now_ms,
            shown=context.configured.masking.text,
        )

    async def export(request: web.Request, principal: Principal) -> Answer:
        form = {name: str(value) for name, value in (await request.post()).items()}
        try:
            letter_filter = parse_filter(form)
        except FilterError as error:
            return ErrorAnswer(400, f"{error}.")
        if await search.count(context.partitions, letter_filter) > MAX_EXPORTED:
            return ErrorAnswer(
                413, f"More than {MAX_EXPORTED:,} letters match. Use `hookline dead export`, which has no limit."
            )
        exported = bytearray()
        async with aclosing(export_lines(context.partitions, letter_filter, by=principal.name)) as pieces:
            async for piece in pieces:
                exported += piece
                if len(exported) > MAX_EXPORTED_BYTES:
                    limit = size(MAX_EXPORTED_BYTES)
                    return ErrorAnswer(
                        413, f"The export is larger than {limit}. Use `hookline dead export`, which has no limit."
                    )
        return web.Response(
            body=exported,
            content_type="application/jsonl",
            headers={hdrs.CONTENT_DISPOSITION: 'attachment; filename="dead-letters.jsonl"'},
        )

    return [Route("GET", "/dead", letters), Route("POST", "/dead/export", export, "reveal")]


def description_of(letter_filter: Filter, total: int) -> str:
    """Text after their number: `dead letters for channel crm`."""
    description = describe(letter_filter).removeprefix("all ")
    return description.replace("letters", "letter", 1) if total == 1 else description


def spans(letter_filter: Filter, now_ms: int) -> list[tuple[str, str]]:
    """(text, link) for the same list of the last hour, day and week."""
    fields = to_form(letter_filter)
    return [
        (title, to_address("/dead", {**fields, "until": "", **to_form(Filter(since_ms=since))}))
        for title, since in ((title, (now_ms - length) // 1000 * 1000) for title, length in _SPANS)
    ]


def page_links(fields: dict[str, str], cursor: str, trail: str, older: str) -> PageLinks:
    """Links from a page to its neighbours. `trail`: cursors of the pages before it, except the newest page."""
    earlier = [step for step in trail.split(".") if step][-_MAX_TRAIL:]
    newer = {**fields, "cursor": earlier[-1], "trail": ".".join(earlier[:-1])} if earlier else fields
    next_trail = [*earlier, cursor] if cursor else []
    return PageLinks(
        newest=to_address("/dead", fields) if cursor else "",
        newer=to_address("/dead", newer) if cursor else "",
        older=to_address("/dead", {**fields, "cursor": older, "trail": ".".join(next_trail[-_MAX_TRAIL:])})
        if older
        else "",
    )
