"""The page that lists dead letters, with the filter in its address, and their export."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing

from aiohttp import hdrs, web
from msgspec import Struct

from broker.merged.away import Away
from inspector.formatting import size
from inspector.http.app_context import AppContext
from inspector.http.auth_middleware import redirect
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.http.search_tokens import TOKEN_FIELD, SearchExpiredError
from inspector.operations import search
from inspector.operations.export.export import export_lines
from inspector.operations.filters import Filter, describe
from inspector.operations.status import incomplete
from inspector.operations.walk import CursorError
from inspector.web.filters import FilterError, inputs, parse_filter, to_address, to_form
from inspector.web.pages import Pages

PAGE_SIZE = 50
MAX_EXPORTED = 5_000
"""Most letters in a download, which is in memory as a whole."""

MAX_EXPORTED_BYTES = 64 * 1024 * 1024

_MAX_TRAIL = 8
"""Most pages that "Newer" leads back to one by one. Beyond, it leads to the newest page."""

NOTHING_SELECTED = "nothing"
"""The parameter of an address after an action for selected letters without any."""

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
            letter_filter = parse_filter(context.searches.from_address(principal.name, request.query), Filter)
            cursor = request.query.get("cursor", "")
            page = await search.find(partitions, letter_filter, limit=PAGE_SIZE, cursor=cursor, away=away)
        except SearchExpiredError as error:
            return ErrorAnswer(410, str(error), back=_without_search(request))
        except (FilterError, CursorError) as error:
            return ErrorAnswer(400, f"{error}.", back="/dead")
        address_fields = context.searches.for_address(principal.name, to_form(letter_filter))
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
            spans=spans("/dead", address_fields, now_ms),
            links=page_links(address_fields, cursor, request.query.get("trail", ""), page.cursor),
            without_group=to_address("/dead", {**address_fields, "fingerprint": ""}),
            here=to_address(
                "/dead", {**address_fields, "cursor": cursor, "trail": request.query.get("trail", "")}
            ),
            is_nothing_selected=NOTHING_SELECTED in request.query,
            now_ms=now_ms,
            shown=context.configured.masking.text,
        )

    async def find(request: web.Request, principal: Principal) -> Answer:
        form = {name: str(value) for name, value in (await request.post()).items()}
        try:
            fields = to_form(parse_filter(form, Filter))
        except FilterError as error:
            return ErrorAnswer(400, f"{error}.", back="/dead")
        return redirect(to_address("/dead", context.searches.for_address(principal.name, fields)))

    async def export(request: web.Request, principal: Principal) -> Answer:
        return await _export(context, request, principal)

    return [
        Route("GET", "/dead", letters),
        Route("POST", "/dead", find),
        Route("POST", "/dead/export", export, "reveal"),
    ]


async def _export(context: AppContext, request: web.Request, principal: Principal) -> Answer:
    form = {name: str(value) for name, value in (await request.post()).items()}
    try:
        letter_filter = parse_filter(form, Filter)
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


def _without_search(request: web.Request) -> str:
    fields = {name: value for name, value in request.query.items() if name not in {TOKEN_FIELD, "cursor", "trail"}}
    return to_address("/dead", fields)


def description_of(letter_filter: Filter, total: int) -> str:
    """Text after their number: `dead letters for channel crm`."""
    description = describe(letter_filter).removeprefix("all ")
    return description.replace("letters", "letter", 1) if total == 1 else description


def spans(path: str, fields: Mapping[str, str], now_ms: int) -> list[tuple[str, str]]:
    """(text, link) for a page with the same filter, but of the last hour, day and week."""
    return [
        (title, to_address(path, {**fields, "until": "", **to_form(Filter(since_ms=since))}))
        for title, since in ((title, (now_ms - length) // 1000 * 1000) for title, length in _SPANS)
    ]


def page_links(fields: Mapping[str, str], cursor: str, trail: str, older: str) -> PageLinks:
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
