"""The page of one failure group, and the forms with which people resolve, mute, assign and note it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from broker.dead_letters import MAX_NOTE_CHARS
from broker.dead_letters.group_states import MAX_ASSIGNEE_CHARS
from broker.merged.away import Away
from broker.merged.group_states import read_states
from inspector.http.app_context import AppContext
from inspector.http.auth_middleware import redirect
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.operations import search
from inspector.operations.filters import Filter
from inspector.operations.groups import group_changes
from inspector.operations.groups.failure_groups import UNDECIDED, assignees, find_group
from inspector.operations.groups.group_changes import GroupChangeError, UnknownGroupError
from inspector.operations.status import incomplete
from inspector.web.filters import to_address
from inspector.web.groups.group_list import events, sparkline
from inspector.web.pages import Pages

NEWEST_LETTERS = 5
_HOUR_MS = 3_600_000
_MUTES = {"an hour": _HOUR_MS, "a day": 24 * _HOUR_MS, "a week": 168 * _HOUR_MS, "30 days": 720 * _HOUR_MS}
"""For how many ms each option of the form mutes a group. Any other: until it is unmuted."""

_NO_GROUP = ErrorAnswer(404, "There is no such group: no dead letter is in it.", back="/groups")


def group_routes(context: AppContext, pages: Pages) -> list[Route]:
    """The page at /groups/{fingerprint} and its forms."""

    async def group(request: web.Request, principal: Principal) -> Answer:
        return await _page(context, pages, request, principal)

    async def change(request: web.Request, principal: Principal) -> Answer:
        fingerprint = request.match_info["fingerprint"]
        try:
            await _apply(context, fingerprint, await request.post(), principal.name)
        except UnknownGroupError:
            return _NO_GROUP
        except GroupChangeError as error:
            return ErrorAnswer(422, f"This was not changed: {error}.", back=f"/groups/{fingerprint}")
        return redirect(f"/groups/{fingerprint}")

    return [
        Route("GET", "/groups/{fingerprint}", group),
        Route("POST", "/groups/{fingerprint}", change, "operate"),
    ]


async def _page(context: AppContext, pages: Pages, request: web.Request, principal: Principal) -> Answer:
    partitions, fingerprint, away = context.partitions, request.match_info["fingerprint"], Away()
    group = await find_group(partitions, fingerprint, away=away)
    states = await read_states(partitions, [fingerprint], away=away)
    if group is None and fingerprint not in states:
        return _NO_GROUP
    newest = await search.find(partitions, Filter(fingerprint=fingerprint), limit=NEWEST_LETTERS, away=away)
    return pages.show(
        request,
        principal,
        "group.html",
        fingerprint=fingerprint,
        group=group,
        state=states.get(fingerprint, UNDECIDED),
        undecided=UNDECIDED,
        sparkline=sparkline(group.hours) if group else None,
        events=events(group) if group else [],
        letters=[entry.letter for entry in newest.entries],
        as_list=to_address("/dead", {"fingerprint": fingerprint}),
        known_names=sorted({principal.name, *await assignees(partitions, away=away)}),
        mutes=_MUTES,
        max_name=MAX_ASSIGNEE_CHARS,
        max_note=MAX_NOTE_CHARS,
        incomplete=incomplete(away),
        now_ms=partitions.control.clock.now_ms(),
        shown=context.configured.masking.text,
    )


async def _apply(context: AppContext, fingerprint: str, form: Mapping[str, Any], by: str) -> None:
    """Make the change that a form asks for. Raises GroupChangeError and BrokerError."""
    partitions = context.partitions
    match form.get("verb"):
        case "resolve":
            await group_changes.resolve(partitions, fingerprint, by=by)
        case "reopen":
            await group_changes.reopen(partitions, fingerprint, by=by)
        case "mute":
            now_ms, lasts_ms = partitions.control.clock.now_ms(), _MUTES.get(str(form.get("lasts", "")), 0)
            until_ms = now_ms + lasts_ms if lasts_ms else 0
            await group_changes.mute(partitions, fingerprint, by=by, until_ms=until_ms)
        case "unmute":
            await group_changes.unmute(partitions, fingerprint, by=by)
        case "assign":
            await group_changes.assign(partitions, fingerprint, str(form.get("to", "")), by=by)
        case "note":
            await group_changes.note(partitions, fingerprint, str(form.get("note", "")), by=by)
        case _:
            raise GroupChangeError("the form does not say what to do with the group")
