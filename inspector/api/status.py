"""How things stand by HTTP: status, channels, who did what."""

from __future__ import annotations

from typing import Any

from inspector import operations
from inspector.api import requests, responses
from inspector.api.operation import Asked, Nothing, Operation
from inspector.http.app_context import AppContext
from inspector.http.routing import ErrorAnswer
from inspector.presentation.channel_status import channel_records
from inspector.presentation.serializers import audit_entry_record, status_record


async def status(context: AppContext, _: Asked) -> Any:
    """Both sums, queues, workers, sources, channels, alerts: what `hookline status --json` prints."""
    configured = context.configured
    return status_record(await operations.status(context.redis, configured.sources, configured.spilled()))


async def audit(context: AppContext, asked: Asked) -> Any:
    """Reveals, replays, discards and the like, newest first. The next page: the same query with `before`."""
    if asked.query.before and not operations.is_position(asked.query.before):
        return ErrorAnswer(400, "before is not a place in the audit log: take one that a page gave.")
    found = await operations.audit(context.redis, before=asked.query.before, count=asked.query.limit)
    before = found[-1].id if len(found) == asked.query.limit else ""
    return {"audit_entries": [audit_entry_record(recorded) for recorded in found], "before": before}


async def channels(context: AppContext, _: Asked) -> Any:
    """Those that are configured, and those of which something is known: breakers, pauses, jobs that are held."""
    now_ms, found = await operations.channels(context.redis, context.configured.channels)
    return {"channels": channel_records(found, now_ms)}


async def pause(context: AppContext, asked: Asked) -> Any:
    """Send nothing more on it until it is resumed. What waits loses neither attempts nor time."""
    return await _set(context, asked, paused=True)


async def resume(context: AppContext, asked: Asked) -> Any:
    """Let it go on. One that is not paused stays as it is."""
    return await _set(context, asked, paused=False)


async def _set(context: AppContext, asked: Asked, *, paused: bool) -> Any:
    _, known = await operations.channels(context.redis, context.configured.channels)
    if asked.name not in {one.name for one in known}:
        return ErrorAnswer(404, "There is no such channel.")
    change = operations.pause_channel if paused else operations.resume_channel
    await change(context.redis, asked.name, by=asked.principal.name)
    now_ms, found = await operations.channels(context.redis, [*context.configured.channels, asked.name])
    return channel_records([one for one in found if one.name == asked.name], now_ms)[0]


STANDING = (
    Operation(
        name="getStatus",
        method="GET",
        path="/status",
        right="read",
        summary="How things stand",
        does=status,
        answer=responses.StatusAnswer,
    ),
    Operation(
        name="listAuditEntries",
        method="GET",
        path="/audit",
        right="read",
        summary="Who did what",
        does=audit,
        query=requests.AuditQuery,
        answer=responses.AuditAnswer,
    ),
    Operation(
        name="listChannels",
        method="GET",
        path="/channels",
        right="read",
        summary="List channels",
        does=channels,
        answer=responses.ChannelsAnswer,
    ),
    *(
        Operation(
            name=f"{turn}Channel",
            method="POST",
            path=f"/channels/{{name}}/{turn}",
            right="operate",
            summary=f"{turn.capitalize()} a channel",
            does=does,
            body=Nothing,
            answer=responses.ChannelRecord,
            errors=(404,),
        )
        for turn, does in (("pause", pause), ("resume", resume))
    ),
)
