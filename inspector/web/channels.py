"""Channels: how each does, and holding it or letting it go on."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from broker.queue import channel_state
from broker.queue.channel_state import Channel
from inspector.http.app_context import AppContext
from inspector.http.auth_middleware import redirect
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.operations import search
from inspector.operations.status import read_channels
from inspector.presentation.channel_status import channel_line
from inspector.web.filters import to_address
from inspector.web.pages import Pages

_LEVELS = {"closed": "good", "paused": "warn", "half-open": "warn", "open": "bad"}


class Shown(Struct, frozen=True):
    """One channel."""

    name: str
    level: str
    text: str
    is_paused: bool
    dead: int
    link: str
    """The list of its dead letters."""


def channels_routes(context: AppContext, pages: Pages) -> list[Route]:
    """The page at /channels."""

    async def channels(request: web.Request, principal: Principal) -> Answer:
        dead = (await search.choices(context.redis)).by_field["channel"]
        now_ms, known = await read_channels(context.redis, context.configured.channels)
        shown = [_shown(one, dead.get(one.name, 0), now_ms) for one in known]
        return pages.show(request, principal, "channels.html", channels=shown)

    async def turn(request: web.Request, principal: Principal) -> Answer:
        form = await request.post()
        name = str(form.get("channel", ""))
        _, known = await read_channels(context.redis, context.configured.channels)
        if name not in {one.name for one in known}:
            return ErrorAnswer(404, "There is no such channel.")
        turned = channel_state.pause if request.path.endswith("/pause") else channel_state.resume
        await turned(context.redis, name, by=principal.name)
        return redirect("/channels")

    return [
        Route("GET", "/channels", channels),
        Route("POST", "/channels/pause", turn, "operate"),
        Route("POST", "/channels/resume", turn, "operate"),
    ]


def _shown(one: Channel, dead: int, now_ms: int) -> Shown:
    return Shown(
        name=one.name,
        level=_LEVELS[one.state(now_ms)],
        text=channel_line(one, now_ms).plain,
        is_paused=bool(one.paused_since_ms),
        dead=dead,
        link=to_address("/dead", {"channel": one.name}),
    )
