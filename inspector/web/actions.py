"""The pages that list bulk actions and show the progress of one."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from broker.dead_letters.action import Action
from broker.merged import actions as all_actions
from broker.merged.away import Away
from inspector.formatting import count_of
from inspector.http.app_context import AppContext
from inspector.http.auth_middleware import redirect
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.http.search_tokens import SearchTokens
from inspector.operations.action_steps.verb_steps import filter_of
from inspector.operations.filters import describe
from inspector.operations.status import incomplete
from inspector.operations.verbs import VERBS, VerbText
from inspector.web.filters import to_address, to_form
from inspector.web.pages import Pages
from inspector.web.selection import MAX_TICKED

_LISTED = 100
_REFRESH_EVERY_S = 1
_NO_ACTION = ErrorAnswer(404, "There is no such action. The last 500 are kept.")


class ActionView(Struct, frozen=True):
    """An action as pages show it."""

    action: Action
    text: VerbText
    state: str
    """running, interrupted, stopped or done."""

    level: str
    """Color of the state: good, warn or bad."""

    description: str
    """The letters that it is for."""

    link: str
    """The list of the letters that match its filter now; "" if it has no filter, or another user's search."""

    rate: str
    """Average rate so far, in letters per second."""

    fields: tuple[tuple[str, str], ...]
    """Form fields that select the same letters. Empty for another user's search, and for too many ids."""


def actions_routes(context: AppContext, pages: Pages) -> list[Route]:
    """The routes below /actions."""

    async def actions(request: web.Request, principal: Principal) -> Answer:
        away: Away = {}
        recent = await all_actions.recent(context.partitions, count=_LISTED, away=away)
        now_ms = context.partitions.control.clock.now_ms()
        views = [view_of(action, principal, context.searches, now_ms) for action in recent]
        return pages.show(
            request,
            principal,
            "actions.html",
            actions=views,
            incomplete=incomplete(away),
            now_ms=now_ms,
            listed=_LISTED,
        )

    async def action(request: web.Request, principal: Principal) -> Answer:
        away: Away = {}
        stored = await all_actions.read(context.partitions, request.match_info["id"], away=away)
        if stored is None:
            return _NO_ACTION
        return pages.show(
            request,
            principal,
            "action.html",
            view=view_of(stored, principal, context.searches, context.partitions.control.clock.now_ms()),
            incomplete=incomplete(away),
            every_s=_REFRESH_EVERY_S,
            shown=context.configured.masking.text,
        )

    async def stop(request: web.Request, principal: Principal) -> Answer:
        stored = await all_actions.read(context.partitions, request.match_info["id"], away={})
        if stored is None:
            return _NO_ACTION
        # If it cannot be stopped any more, the page shows its state.
        await all_actions.stop(context.partitions, stored.id, by=principal.name)
        return redirect(f"/actions/{stored.id}")

    async def resume(request: web.Request, principal: Principal) -> Answer:
        stored = await all_actions.read(context.partitions, request.match_info["id"], away={})
        if stored is None:
            return _NO_ACTION
        await context.runner.resume(stored.id, by=principal.name)
        return redirect(f"/actions/{stored.id}")

    return [
        Route("GET", "/actions", actions),
        Route("GET", "/actions/{id}", action),
        Route("POST", "/actions/{id}/stop", stop, "operate"),
        Route("POST", "/actions/{id}/resume", resume, "operate"),
    ]


def view_of(action: Action, principal: Principal, searches: SearchTokens, now_ms: int) -> ActionView:
    """An action as a user may see it."""
    order = action.request
    letter_filter = filter_of(order)
    # What another user searched for is hidden, since it may be an e-mail address.
    may_see_filter = not letter_filter.search or order.by == principal.name
    state = "interrupted" if action.is_interrupted(now_ms) else action.state
    is_linked = may_see_filter and not order.ids
    took_ms = max(1, (action.ended_ms or now_ms) - action.began_ms)
    return ActionView(
        action=action,
        text=VERBS[order.verb],
        state=state,
        level={"running": "good", "done": "good", "stopped": "warn", "interrupted": "bad"}[state],
        description=_description(action, hide_personal=not may_see_filter),
        link=to_address("/dead", searches.for_address(principal.name, to_form(letter_filter)))
        if is_linked
        else "",
        rate=_rate(action, took_ms),
        fields=_fields(action) if may_see_filter else (),
    )


def _description(action: Action, *, hide_personal: bool) -> str:
    if action.request.ids:
        return count_of(len(action.request.ids), "selected letter")
    return describe(filter_of(action.request), hide_personal=hide_personal)


def _fields(action: Action) -> tuple[tuple[str, str], ...]:
    order = action.request
    if len(order.ids) > MAX_TICKED:
        return ()
    if order.ids:
        return ("scope", "ids"), *(("id", letter_id) for letter_id in order.ids)
    form = {"scope": "all", **to_form(filter_of(order)), "until_ms": str(order.until_ms)}
    return tuple(form.items())


def _rate(action: Action, took_ms: int) -> str:
    rate = 1000 * action.done / took_ms
    # The first chunk does not wait, so the average may exceed the limit at first.
    if action.request.rate_per_s:
        rate = min(rate, action.request.rate_per_s)
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
