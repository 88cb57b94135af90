"""The page that lists the notifications that wait, with the filter in its address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from aiohttp import web

from broker.merged.away import Away
from broker.queue.waiting.cause import CAUSES, Cause
from inspector.http.app_context import AppContext
from inspector.http.auth_middleware import redirect
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.http.search_tokens import SearchExpiredError
from inspector.operations.status import incomplete
from inspector.operations.waiting.find import WaitingFilter, find_waiting
from inspector.presentation.causes import MEANINGS
from inspector.presentation.waiting_records import UNREADABLE, cause_text, error_text, event_text
from inspector.web.filters import to_address
from inspector.web.pages import Pages

PAGE_SIZE = 50

NOTHING_SELECTED = "nothing"
"""The parameter of an address after a change for selected notifications without any."""

_MAX_CHARS = 500
_TEXTS = ("channel", "rule", "source", "search")


def waiting_routes(context: AppContext, pages: Pages) -> list[Route]:
    """The route of the list at /waiting."""

    async def waiting(request: web.Request, principal: Principal) -> Answer:
        cursor, away, configured = request.query.get("cursor", ""), Away(), context.configured
        try:
            form = _form_of(context.searches.from_address(principal.name, request.query))
            page = await find_waiting(
                context.partitions,
                _filter_of(form),
                configured.sources,
                limit=PAGE_SIZE,
                cursor=cursor,
                away=away,
            )
        except SearchExpiredError as error:
            return ErrorAnswer(410, str(error), back="/waiting")
        except ValueError as error:
            return ErrorAnswer(400, f"{error}.", back="/waiting")
        address = context.searches.for_address(principal.name, {name: text for name, text in form.items() if text})
        masking, now_ms = configured.masking, context.partitions.control.clock.now_ms()
        return pages.show(
            request,
            principal,
            "waiting.html",
            form=form,
            causes=[(cause, MEANINGS[cause]) for cause in CAUSES],
            is_filtered=any(form.values()),
            page=page,
            incomplete=incomplete(away),
            first=to_address("/waiting", address) if cursor else "",
            later=to_address("/waiting", {**address, "cursor": page.cursor}) if page.cursor else "",
            here=to_address("/waiting", {**address, "cursor": cursor}),
            is_nothing_selected=NOTHING_SELECTED in request.query,
            cause_text=lambda each: cause_text(each, now_ms),
            error_text=lambda each: error_text(each, masking),
            event_text=lambda each: event_text(each, masking),
            unreadable=UNREADABLE,
        )

    async def find(request: web.Request, principal: Principal) -> Answer:
        posted = {name: str(value) for name, value in (await request.post()).items()}
        chosen = {name: text for name, text in _form_of(posted).items() if text}
        return redirect(to_address("/waiting", context.searches.for_address(principal.name, chosen)))

    return [Route("GET", "/waiting", waiting), Route("POST", "/waiting", find)]


def _form_of(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: fields.get(name, "").strip()[:_MAX_CHARS] for name in (*_TEXTS, "cause")}


def _filter_of(form: Mapping[str, str]) -> WaitingFilter:
    """The filter in an address. Raises ValueError with one sentence."""
    cause = form["cause"]
    if cause and cause not in CAUSES:
        raise ValueError(f"the cause must be one of {', '.join(CAUSES)}")
    return WaitingFilter(cause=cast("Cause", cause) or None, **{name: form[name] for name in _TEXTS})
