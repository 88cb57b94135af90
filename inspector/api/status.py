"""Status, channels and the audit log in the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from broker.merged import audit
from broker.merged import channels as all_channels
from inspector.api import requests, responses
from inspector.api.operation import ApiRequest, NoFields, Operation
from inspector.http.app_context import AppContext
from inspector.http.routing import ErrorAnswer
from inspector.operations import status
from inspector.presentation.channel_status import channel_records
from inspector.presentation.serializers import audit_entry_record, status_record


async def get_status(context: AppContext, _: ApiRequest) -> Any:
    """Counters, queues, workers, sources, channels and alerts, as `hookline status --json` prints them."""
    configured = context.configured
    return status_record(await status.read_status(context.partitions, configured.sources, configured.spilled()))


async def list_audit_entries(context: AppContext, request: ApiRequest) -> Any:
    """Reveals, replays, discards and other changes, newest first. Next page: the same query with `before`."""
    query: requests.AuditQuery = request.query
    if query.before and not audit.is_position(query.before):
        return ErrorAnswer(400, "before is not a place in the audit log; use the one that a page returned.")
    entries, away = await audit.read(context.partitions, before=query.before, count=query.limit)
    before = entries[-1].id if len(entries) == query.limit else ""
    records = [audit_entry_record(entry) for entry in entries]
    return {"audit_entries": records, "before": before, "incomplete": status.incomplete(away)}


async def list_channels(context: AppContext, _: ApiRequest) -> Any:
    """All channels that are configured or known to Redis, with circuit breakers, pauses and held jobs."""
    read = await status.read_channels(context.partitions, context.configured.channels)
    return {"channels": channel_records(read.channels, read.at_ms), "incomplete": status.incomplete(read.away)}


async def pause_channel(context: AppContext, request: ApiRequest) -> Any:
    """Send nothing on this channel until it is resumed. Its notifications wait and lose no attempts."""
    return await _change(context, request, all_channels.pause)


async def resume_channel(context: AppContext, request: ApiRequest) -> Any:
    """Send on this channel again. A channel that is not paused stays as it is."""
    return await _change(context, request, all_channels.resume)


async def probe_channel(context: AppContext, request: ApiRequest) -> Any:
    """Let one held job try this channel now if its circuit breaker is open. Another channel stays as it is."""
    return await _change(context, request, all_channels.probe)


async def _change(context: AppContext, request: ApiRequest, change: Callable[..., Awaitable[bool]]) -> Any:
    name, configured = request.path_value, context.configured.channels
    known = await status.read_channels(context.partitions, configured)
    if name not in {channel.name for channel in known.channels}:
        return ErrorAnswer(404, "There is no such channel.")
    await change(context.partitions, name, by=request.principal.name)
    # A channel that only Redis knew may be unknown again after it is resumed.
    read = await status.read_channels(context.partitions, [*configured, name])
    return channel_records([channel for channel in read.channels if channel.name == name], read.at_ms)[0]


STATUS_OPERATIONS = (
    Operation(
        name="getStatus",
        method="GET",
        path="/status",
        right="read",
        summary="Show the status",
        handler=get_status,
        answer=responses.StatusAnswer,
    ),
    Operation(
        name="listAuditEntries",
        method="GET",
        path="/audit",
        right="read",
        summary="List audit entries",
        handler=list_audit_entries,
        query=requests.AuditQuery,
        answer=responses.AuditAnswer,
    ),
    Operation(
        name="listChannels",
        method="GET",
        path="/channels",
        right="read",
        summary="List channels",
        handler=list_channels,
        answer=responses.ChannelsAnswer,
    ),
    Operation(
        name="pauseChannel",
        method="POST",
        path="/channels/{name}/pause",
        right="operate",
        summary="Pause a channel",
        handler=pause_channel,
        body=NoFields,
        answer=responses.ChannelRecord,
        errors=(404,),
    ),
    Operation(
        name="resumeChannel",
        method="POST",
        path="/channels/{name}/resume",
        right="operate",
        summary="Resume a channel",
        handler=resume_channel,
        body=NoFields,
        answer=responses.ChannelRecord,
        errors=(404,),
    ),
    Operation(
        name="probeChannel",
        method="POST",
        path="/channels/{name}/probe",
        right="operate",
        summary="Try a channel now",
        handler=probe_channel,
        body=NoFields,
        answer=responses.ChannelRecord,
        errors=(404,),
    ),
)
