"""Doing something to dead letters: a page that shows to which, then the action itself."""

from __future__ import annotations

import math
from typing import Any

from aiohttp import web
from msgspec import Struct, structs

from broker.dead_letters import MAX_NOTE_CHARS
from inspector.formatting import count_of
from inspector.http.app_context import AppContext
from inspector.http.auth_middleware import redirect
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.operations import Verb
from inspector.web.filters import FilterError
from inspector.web.pages import Pages
from inspector.web.selection import Chosen, chosen_of

_MAX_RATE = 1_000_000


class Act(Struct, frozen=True):
    """What can be done, in words."""

    verb: Verb
    name: str
    done: str
    means: str


ACTS = {
    act.verb: act
    for act in (
        Act(
            "dry_run",
            "Dry run",
            "masked_dry_run",
            "Each is decoded, matched with the rules and rendered as a replay would do it with today's config. "
            "Nothing is sent, and nothing changes. At the end you see how many would pass, and why the others "
            "would not.",
        ),
        Act(
            "replay",
            "Replay",
            "replayed",
            "They go back to where they died: webhooks to intake, notifications to their channel, with the key "
            "that they always had. What fails again becomes a dead letter again.",
        ),
        Act(
            "discard",
            "Discard",
            "discarded",
            "They are thrown away, with their bodies and their history. Nothing brings them back.",
        ),
        Act("annotate", "Note", "noted on", "Your note is put on each of them. Nothing else changes."),
    )
}


class _Terms(Struct, frozen=True):
    """How it is to be done."""

    rate_per_s: float = 0.0
    note: str = ""
    rate: str = ""
    """As it was typed."""

    fault: str = ""
    """What is wrong, "" for nothing."""


class _Meant(Struct, frozen=True):
    """What is to be done, and to what."""

    act: Act
    chosen: Chosen


def acts_routes(context: AppContext, pages: Pages) -> list[Route]:
    """What forms with letters in them lead to."""

    async def preview(request: web.Request, principal: Principal) -> Answer:
        meant = await _meant(context, await request.post())
        return meant if isinstance(meant, ErrorAnswer) else _preview(context, pages, request, principal, meant)

    async def begin(request: web.Request, principal: Principal) -> Answer:
        form: Any = await request.post()
        meant = await _meant(context, form)
        if isinstance(meant, ErrorAnswer):
            return meant
        act, chosen = meant.act, meant.chosen
        terms = _terms(act, form)
        if form.get("count") != str(chosen.count):
            now = count_of(chosen.count, "letter")
            terms = structs.replace(terms, fault=f"It is no longer what you saw: now it is {now}. Look again.")
            return _preview(context, pages, request, principal, meant, terms, status=409)
        if terms.fault:
            return _preview(context, pages, request, principal, meant, terms, status=422)
        action = await context.runner.begin(
            act.verb, chosen.what, by=principal.name, rate_per_s=terms.rate_per_s, note=terms.note
        )
        return redirect(f"/actions/{action}")

    return [
        Route("POST", "/dead/preview", preview, "operate"),
        Route("POST", "/dead/begin", begin, "operate"),
    ]


async def _meant(context: AppContext, form: Any) -> _Meant | ErrorAnswer:
    act = ACTS.get(form.get("verb", ""))
    if act is None:
        return ErrorAnswer(400, "The form does not say what is to be done.")
    if act.verb == "dry_run" and context.configured.dry_run is None:
        return ErrorAnswer(409, "There are no rules here for a dry run.")
    try:
        chosen = await chosen_of(context.redis, form)
    except FilterError as error:
        return ErrorAnswer(400, f"{error}.")
    return _Meant(act, chosen) if chosen.count else ErrorAnswer(409, _nothing(form))


def _nothing(form: Any) -> str:
    if form.get("scope") == "all":
        return "There is no such letter any more: they were replayed or discarded meanwhile."
    if form.getall("id", []):
        return "The letters that you ticked are not there any more: they were replayed or discarded meanwhile."
    return "You ticked no letter. Go back and tick some, or choose all that match."


def _terms(act: Act, form: Any) -> _Terms:
    rate, note = form.get("rate", "").strip(), form.get("note", "").strip()
    rate_per_s, fault = _rate(rate)
    if act.verb == "annotate" and not note:
        fault = "Write the note."
    if len(note) > MAX_NOTE_CHARS:
        fault = f"A note has at most {MAX_NOTE_CHARS:,} characters."
    if act.verb == "discard" and form.get("sure") != "yes":
        fault = "Tick the box to say that you are sure."
    return _Terms(rate_per_s, note[:MAX_NOTE_CHARS], rate[:20], fault)


def _rate(text: str) -> tuple[float, str]:
    """(the rate, what is wrong with it); 0 for none."""
    try:
        rate = float(text or 0)
    except ValueError:
        rate = math.nan
    if text and not 0.01 <= rate <= _MAX_RATE:
        return 0.0, "The rate is a number of letters a second, like 20 or 0.5."
    return rate, ""


def _preview(
    context: AppContext,
    pages: Pages,
    request: web.Request,
    principal: Principal,
    meant: _Meant,
    terms: _Terms | None = None,
    *,
    status: int = 200,
) -> web.Response:
    return pages.show(
        request,
        principal,
        "preview.html",
        status=status,
        act=meant.act,
        chosen=meant.chosen,
        terms=terms or _Terms(),
        max_note=MAX_NOTE_CHARS,
        shown=context.configured.masking.text,
        now_ms=context.redis.clock.now_ms(),
    )
