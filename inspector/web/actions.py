"""What was and is being done to dead letters, and how far it has come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from msgspec import Struct

from broker.dead_letters.stored_actions import Action
from inspector import operations
from inspector.formatting import count_of
from inspector.http.app_context import AppContext
from inspector.http.auth_middleware import redirect
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.web.bulk_form import ACTS, Act
from inspector.web.filters import address_of, fields_of
from inspector.web.pages import Pages
from inspector.web.selection import MOST_NAMED

_KEPT = 100
_EVERY_S = 1
_GONE = ErrorAnswer(404, "There is no such action; the last 500 are kept.")


class Shown(Struct, frozen=True):
    """An action as it stands."""

    action: Action
    act: Act
    state: str
    """running, interrupted, stopped or done."""

    level: str
    words: str
    """What it is done to."""

    link: str
    """The list of what its filter selects now, "" where somebody searched."""

    rate: str
    """How fast it went so far."""

    left: tuple[tuple[str, str], ...]
    """What a form says to mean the same letters; () where that cannot be told, or is more than a form may name."""


def actions_routes(context: AppContext, pages: Pages) -> list[Route]:
    """The pages at /actions."""

    async def actions(request: web.Request, principal: Principal) -> Answer:
        found = await operations.actions(context.redis, count=_KEPT)
        now_ms = context.redis.clock.now_ms()
        shown = [shown_of(action, principal, now_ms) for action in found]
        return pages.show(request, principal, "actions.html", actions=shown, now_ms=now_ms, kept=_KEPT)

    async def action(request: web.Request, principal: Principal) -> Answer:
        found = await operations.action(context.redis, request.match_info["id"])
        if found is None:
            return _GONE
        return pages.show(
            request,
            principal,
            "action.html",
            one=shown_of(found, principal, context.redis.clock.now_ms()),
            every_s=_EVERY_S,
            shown=context.configured.masking.text,
        )

    async def stop(request: web.Request, principal: Principal) -> Answer:
        return await _turned(request, lambda name: operations.stop(context.redis, name, by=principal.name))

    async def resume(request: web.Request, principal: Principal) -> Answer:
        return await _turned(request, lambda name: context.runner.resume(name, by=principal.name))

    async def _turned(request: web.Request, turn: Callable[[str], Awaitable[bool]]) -> Answer:
        found = await operations.action(context.redis, request.match_info["id"])
        if found is None:
            return _GONE
        await turn(found.id)  # where it cannot any more, the page tells how it stands
        return redirect(f"/actions/{found.id}")

    return [
        Route("GET", "/actions", actions),
        Route("GET", "/actions/{id}", action),
        Route("POST", "/actions/{id}/stop", stop, "operate"),
        Route("POST", "/actions/{id}/resume", resume, "operate"),
    ]


def shown_of(action: Action, principal: Principal, now_ms: int) -> Shown:
    """How an action stands. What somebody else searched for is not told: it may be an e-mail address."""
    order = action.request
    wanted = operations.wanted_of(order)
    is_told = not wanted.search or order.by == principal.name
    state = "interrupted" if action.is_interrupted(now_ms) else action.state
    took_ms = max(1, (action.ended_ms or now_ms) - action.began_ms)
    return Shown(
        action=action,
        act=ACTS[order.verb],
        state=state,
        level={"running": "good", "done": "good", "stopped": "warn", "interrupted": "bad"}[state],
        words=_words(action, hide_search=not is_told),
        link=address_of("/dead", fields_of(wanted)) if is_told and not order.ids else "",
        rate=_rate(action, took_ms),
        left=_left(action) if is_told else (),
    )


def _words(action: Action, *, hide_search: bool) -> str:
    if action.request.ids:
        return count_of(len(action.request.ids), "chosen letter")
    return operations.in_words(operations.wanted_of(action.request), hide_search=hide_search)


def _left(action: Action) -> tuple[tuple[str, str], ...]:
    order = action.request
    if len(order.ids) > MOST_NAMED:
        return ()
    if order.ids:
        return ("scope", "ids"), *(("id", name) for name in order.ids)
    given = {"scope": "all", **fields_of(operations.wanted_of(order)), "until_ms": str(order.until_ms)}
    return tuple(given.items())


def _rate(action: Action, took_ms: int) -> str:
    rate = 1000 * action.done / took_ms
    if action.request.rate_per_s:
        rate = min(rate, action.request.rate_per_s)  # the first ones did not wait
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
