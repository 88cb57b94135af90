"""The page that shows the state of channels, and pauses, resumes and probes them."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from broker.merged import channels as all_channels
from broker.queue.channel_state import Channel
from inspector.http.app_context import AppContext
from inspector.http.auth_middleware import redirect
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.operations import search
from inspector.operations.status import incomplete, read_channels
from inspector.presentation.channel_status import channel_line
from inspector.web.filters import to_address
from inspector.web.pages import Pages

_CHANGES = {"pause": all_channels.pause, "resume": all_channels.resume, "probe": all_channels.probe}
_LEVELS = {"closed": "good", "paused": "warn", "half-open": "warn", "open": "bad"}


class ChannelView(Struct, frozen=True):
    """A channel as the page shows it."""

    name: str
    level: str
    text: str
    is_paused: bool
    is_open: bool
    """True if its circuit breaker is open, so that a person may let it be tried now."""

    dead: int
    link: str
    """The list of its dead letters."""


def channels_routes(context: AppContext, pages: Pages) -> list[Route]:
    """The page at /channels."""

    async def channels(request: web.Request, principal: Principal) -> Answer:
        read = await read_channels(context.partitions, context.configured.channels)
        away = dict(read.away)
        dead = (await search.choices(context.partitions, away=away)).by_field["channel"]
        views = [_view(channel, dead.get(channel.name, 0), read.at_ms) for channel in read.channels]
        return pages.show(request, principal, "channels.html", channels=views, incomplete=incomplete(away))

    async def change(request: web.Request, principal: Principal) -> Answer:
        form = await request.post()
        name = str(form.get("channel", ""))
        known = await read_channels(context.partitions, context.configured.channels)
        if name not in {channel.name for channel in known.channels}:
            return ErrorAnswer(404, "There is no such channel.")
        await _CHANGES[request.path.rpartition("/")[2]](context.partitions, name, by=principal.name)
        return redirect("/channels")

    return [
        Route("GET", "/channels", channels),
        *(Route("POST", f"/channels/{verb}", change, "operate") for verb in _CHANGES),
    ]


def _view(channel: Channel, dead: int, now_ms: int) -> ChannelView:
    return ChannelView(
        name=channel.name,
        level=_LEVELS[channel.state(now_ms)],
        text=channel_line(channel, now_ms).plain,
        is_paused=bool(channel.paused_since_ms),
        is_open=channel.state(now_ms) == "open",
        dead=dead,
        link=to_address("/dead", {"channel": channel.name}),
    )
