"""The forms for bulk actions: a preview of the selected letters, then the start of the action."""

from __future__ import annotations

import math
from typing import Any, cast

from aiohttp import web
from msgspec import Struct, structs
from yarl import URL

from broker.dead_letters import MAX_NOTE_CHARS
from broker.dead_letters.action import Verb
from broker.merged.away import because
from inspector.formatting import count_of
from inspector.http.app_context import AppContext
from inspector.http.auth_middleware import redirect, safe_redirect_path
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.operations.status import incomplete
from inspector.operations.verbs import VERBS
from inspector.web.dead_letters import NOTHING_SELECTED
from inspector.web.filters import FilterError
from inspector.web.pages import Pages
from inspector.web.selection import FormSelection, read_selection

_MAX_RATE = 1_000_000


class _Options(Struct, frozen=True):
    """The options of the action, as the form gives them."""

    rate_per_s: float = 0.0
    note: str = ""
    rate: str = ""
    """The rate as it was typed."""

    fault: str = ""
    """The mistake in the form; "" if there is no mistake."""


class _BulkRequest(Struct, frozen=True):
    verb: Verb
    selection: FormSelection
    back: str
    """The page that the form was on."""


def bulk_routes(context: AppContext, pages: Pages) -> list[Route]:
    """The routes of the preview and of its form."""

    async def preview(request: web.Request, principal: Principal) -> Answer:
        bulk = await _read(context, await request.post())
        if bulk is _NOTHING_SELECTED:
            return redirect(_asking_for_selection(_back(await request.post())))
        return bulk if isinstance(bulk, ErrorAnswer) else _preview(context, pages, request, principal, bulk)

    async def begin(request: web.Request, principal: Principal) -> Answer:
        form: Any = await request.post()
        bulk = await _read(context, form)
        if isinstance(bulk, ErrorAnswer):
            return bulk
        options, selection = _options(bulk.verb, form), bulk.selection
        if form.get("count") != str(selection.count):
            now = count_of(selection.count, "letter")
            fault = f"The selection has changed since you saw it: now it is {now}. Please check it again."
            return _preview(
                context, pages, request, principal, bulk, structs.replace(options, fault=fault), status=409
            )
        if options.fault:
            return _preview(context, pages, request, principal, bulk, options, status=422)
        action_id = await context.runner.begin(
            bulk.verb, selection.target, by=principal.name, rate_per_s=options.rate_per_s, note=options.note
        )
        return redirect(f"/actions/{action_id}")

    return [
        Route("POST", "/dead/preview", preview, "operate"),
        Route("POST", "/dead/begin", begin, "operate"),
    ]


_NOTHING_SELECTED = ErrorAnswer(409, "You selected no letter. Go back and select some, or choose all that match.")


def _back(form: Any) -> str:
    """The page that the form was on, with its filter; else the list."""
    return safe_redirect_path(str(form.get("back") or "/dead"))


def _asking_for_selection(address: str) -> str:
    return str(URL(address, encoded=True).update_query({NOTHING_SELECTED: "1"}))


async def _read(context: AppContext, form: Any) -> _BulkRequest | ErrorAnswer:
    back = _back(form)
    if form.get("verb", "") not in VERBS:
        return ErrorAnswer(400, "The form does not say what to do with the letters.", back=back)
    verb = cast("Verb", form["verb"])
    if verb == "dry_run" and context.configured.dry_run is None:
        return ErrorAnswer(409, "This inspector has no rules, so it cannot do a dry run.", back=back)
    try:
        selection = await read_selection(context.partitions, form)
    except FilterError as error:
        return ErrorAnswer(400, f"{error}.", back=back)
    if selection.count:
        return _BulkRequest(verb, selection, back)
    if selection.away:
        return ErrorAnswer(503, f"No letter is selected: {because(selection.away)}.", back=back)
    return _no_letters(form, back)


def _no_letters(form: Any, back: str) -> ErrorAnswer:
    if form.get("scope") == "all":
        text = "No letter matches any more: they were replayed or discarded in the meantime."
    elif form.getall("id", []):
        text = "The letters that you selected no longer exist: they were replayed or discarded in the meantime."
    else:
        return _NOTHING_SELECTED
    return ErrorAnswer(409, text, back=back)


def _options(verb: Verb, form: Any) -> _Options:
    rate, note = form.get("rate", "").strip(), form.get("note", "").strip()
    rate_per_s, fault = _rate(rate)
    if verb == "annotate" and not note:
        fault = "Write the note."
    if len(note) > MAX_NOTE_CHARS:
        fault = f"A note has at most {MAX_NOTE_CHARS:,} characters."
    if verb == "discard" and form.get("sure") != "yes":
        fault = "Tick the box to confirm."
    return _Options(rate_per_s, note[:MAX_NOTE_CHARS], rate[:20], fault)


def _rate(text: str) -> tuple[float, str]:
    """(rate per second or 0 for no limit, what is wrong with it or "")."""
    try:
        rate = float(text or 0)
    except ValueError:
        rate = math.nan
    if text and not 0.01 <= rate <= _MAX_RATE:
        return 0.0, "The rate must be a number of letters per second, for example 20 or 0.5."
    return rate, ""


def _preview(
    context: AppContext,
    pages: Pages,
    request: web.Request,
    principal: Principal,
    bulk: _BulkRequest,
    options: _Options | None = None,
    *,
    status: int = 200,
) -> web.Response:
    return pages.show(
        request,
        principal,
        "preview.html",
        status=status,
        verb=bulk.verb,
        text=VERBS[bulk.verb],
        selection=bulk.selection,
        back=bulk.back,
        incomplete=incomplete(bulk.selection.away),
        options=options or _Options(),
        max_note=MAX_NOTE_CHARS,
        shown=context.configured.masking.text,
        now_ms=context.partitions.control.clock.now_ms(),
    )
