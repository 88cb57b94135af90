"""The page that lists events with what became of each of their notifications."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import msgspec
from aiohttp import web

from broker.history.query import State
from broker.merged.away import Away
from inspector.http.app_context import AppContext
from inspector.http.auth_middleware import redirect
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.http.search_tokens import SearchExpiredError
from inspector.operations.history.events import EventFilter, find_events
from inspector.operations.status import incomplete
from inspector.presentation.event_records import MEANINGS, attempt_text, state_text
from inspector.presentation.parse_time import parse_time
from inspector.web.filters import to_address
from inspector.web.pages import Pages

PAGE_SIZE = 50
EVERY_S = 5
"""Seconds between two looks of a page that shows the newest events."""

_MAX_CHARS = 500
_TEXTS = ("search", "source", "event", "rule", "channel", "state")
_TIMES = ("since", "until")


def events_routes(context: AppContext, pages: Pages) -> list[Route]:
    """The route of the list at /events."""

    async def events(request: web.Request, principal: Principal) -> Answer:
        cursor, away = request.query.get("cursor", ""), Away()
        now_ms = context.partitions.control.clock.now_ms()
        try:
            form = _form_of(context.searches.from_address(principal.name, request.query))
            event_filter = _filter_of(form, now_ms)
            page = await find_events(context.partitions, event_filter, limit=PAGE_SIZE, cursor=cursor, away=away)
        except SearchExpiredError as error:
            return ErrorAnswer(410, str(error), back="/events")
        except ValueError as error:
            return ErrorAnswer(400, f"{error}.", back="/events")
        address = context.searches.for_address(principal.name, {name: text for name, text in form.items() if text})
        masking = context.configured.masking
        return pages.show(
            request,
            principal,
            "events.html",
            form=form,
            states=[(state, MEANINGS[state]) for state in get_args(State)],
            is_filtered=any(form.values()),
            page=page,
            incomplete=incomplete(away),
            is_newest=not cursor,
            newest=to_address("/events", address),
            older=to_address("/events", {**address, "cursor": page.cursor}) if page.cursor else "",
            every_s=EVERY_S,
            now_ms=now_ms,
            shown=masking.text,
            attempt_text=lambda outcome: attempt_text(outcome, now_ms=now_ms, masking=masking),
            state_text=state_text,
        )

    async def find(request: web.Request, principal: Principal) -> Answer:
        posted = {name: str(value) for name, value in (await request.post()).items()}
        chosen = {name: text for name, text in _form_of(posted).items() if text}
        return redirect(to_address("/events", context.searches.for_address(principal.name, chosen)))

    return [Route("GET", "/events", events), Route("POST", "/events", find)]


def _form_of(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: fields.get(name, "").strip()[:_MAX_CHARS] for name in (*_TEXTS, *_TIMES)}


def _filter_of(form: Mapping[str, str], now_ms: int) -> EventFilter:
    """The filter in an address. Raises ValueError with one sentence."""
    values: dict[str, object] = {name: form[name] for name in _TEXTS if form[name]}
    values |= {f"{name}_ms": parse_time(form[name], now_ms=now_ms) for name in _TIMES if form[name]}
    try:
        return msgspec.convert(values, EventFilter)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
