"""Dead letters by HTTP: found, looked at, and one replayed with another body."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from aiohttp import hdrs, web
from msgspec import UNSET, structs

from broker.dead_letters import StoredDeadLetter
from inspector import operations
from inspector.api import requests, responses
from inspector.api.operation import Asked, Operation
from inspector.http.app_context import AppContext
from inspector.http.auth_middleware import lacking
from inspector.http.routing import Refusal
from inspector.operations import CursorError, EditError
from inspector.presentation.serializers import grave_record, group_record, page_record, verdict_record

_NO_LETTER = Refusal(404, "There is no such dead letter (any more).")


async def find(desk: AppContext, asked: Asked) -> Any:
    """Newest first, masked, with how many match in all. The next page: the same query with `cursor`."""
    wanted = requests.filter_of(asked.query)
    selection = await operations.select(desk.redis, wanted)
    seen = structs.replace(wanted, until_ms=selection.until_ms)
    try:
        page = await operations.find(desk.redis, seen, limit=asked.query.limit, cursor=asked.query.cursor)
    except CursorError as error:
        return Refusal(400, f"{error}.")
    return {
        "letters": page_record(page, masking=desk.configured.masking),
        "cursor": page.cursor,
        "count": selection.count,
        "until_ms": selection.until_ms,
    }


async def choices(desk: AppContext, _: Asked) -> Any:
    """The values that there are of each field, and how many dead letters have each."""
    return {"choices": (await operations.choices(desk.redis)).by_field}


async def groups(desk: AppContext, asked: Asked) -> Any:
    """What died for the same cause, the group that grew last first."""
    wanted = requests.filter_of(asked.query)
    found = await operations.groups(desk.redis, wanted, limit=asked.query.limit)
    return {"groups": [group_record(group, masking=desk.configured.masking) for group in found]}


async def show(desk: AppContext, asked: Asked) -> Any:
    """Everything that is known of it. Personal data is masked unless revealed, which stands in the audit log."""
    grave = await _looked_at(desk, asked)
    if isinstance(grave, Refusal):
        return grave
    return grave_record(grave, reveal=asked.query.reveal, masking=desk.configured.masking)


async def body(desk: AppContext, asked: Asked) -> Any:
    """The very bytes that died, with all personal data in them. It stands in the audit log."""
    grave = await operations.reveal(desk.redis, asked.name, by=asked.principal.name)
    if grave is None:
        return _NO_LETTER
    if grave.letter.is_unreadable:
        return Refusal(404, f"There is no body of it to be had: {grave.letter.error}.")
    name = f'attachment; filename="{grave.letter.id}.bin"'
    return web.Response(
        body=grave.body, content_type="application/octet-stream", headers={hdrs.CONTENT_DISPOSITION: name}
    )


async def rehearsal(desk: AppContext, asked: Asked) -> Any:
    """What would become of it if it were replayed now. Nothing is written, and nothing is sent.

    What would be sent is told as of a masked body, unless revealed, which stands in the audit log.
    """
    rehearse = desk.configured.rehearse
    if rehearse is None:
        return Refusal(503, "This inspector has no rules to rehearse with.")
    grave = await _looked_at(desk, asked)
    if isinstance(grave, Refusal):
        return grave
    masking = None if asked.query.reveal else desk.configured.masking
    return verdict_record(operations.rehearsed(grave, rehearse, masking=masking))


async def edit(desk: AppContext, asked: Asked) -> Any:
    """Hand back a copy with another body; the dead letter itself stays, with a note of it."""
    order: requests.EditOrder = asked.body
    if (order.body is UNSET) == (order.body_base64 is UNSET):
        return Refusal(400, "Give body or body_base64, one of the two.")
    try:
        edited = order.body.encode() if isinstance(order.body, str) else _decoded(str(order.body_base64))
        done = await operations.replay_edited(desk.redis, asked.name, edited, by=asked.principal.name)
    except binascii.Error:
        return Refusal(400, "body_base64 is not base64.")
    except EditError as error:
        return Refusal(409, f"This cannot be edited: {error}.")
    return {"id": asked.name, "replayed": True} if done else _NO_LETTER


async def _looked_at(desk: AppContext, asked: Asked) -> StoredDeadLetter | Refusal:
    if not asked.query.reveal:
        return await operations.get(desk.redis, asked.name) or _NO_LETTER
    if not asked.principal.may("reveal"):
        return lacking(asked.principal, "reveal")
    return await operations.reveal(desk.redis, asked.name, by=asked.principal.name) or _NO_LETTER


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


LETTERS = (
    Operation(
        name="findDeadLetters",
        method="GET",
        path="/dead",
        right="read",
        summary="Find dead letters",
        does=find,
        query=requests.LettersQuery,
        answer=responses.LettersAnswer,
    ),
    Operation(
        name="listChoices",
        method="GET",
        path="/dead/choices",
        right="read",
        summary="What can be filtered by",
        does=choices,
        answer=responses.ChoicesAnswer,
    ),
    Operation(
        name="listGroups",
        method="GET",
        path="/dead/groups",
        right="read",
        summary="List groups of dead letters",
        does=groups,
        query=requests.GroupsQuery,
        answer=responses.GroupsAnswer,
    ),
    Operation(
        name="getDeadLetter",
        method="GET",
        path="/dead/{id}",
        right="read",
        summary="Show one dead letter",
        does=show,
        query=requests.RevealQuery,
        answer=responses.GraveRecord,
        refusals=(404,),
    ),
    Operation(
        name="getBody",
        method="GET",
        path="/dead/{id}/body",
        right="reveal",
        summary="Download the body of a dead letter",
        does=body,
        answer=bytes,
        refusals=(404,),
    ),
    Operation(
        name="rehearseDeadLetter",
        method="GET",
        path="/dead/{id}/rehearsal",
        right="read",
        summary="What a replay would do now",
        does=rehearsal,
        query=requests.RevealQuery,
        answer=responses.RehearsalAnswer,
        refusals=(404,),
    ),
    Operation(
        name="editDeadLetter",
        method="POST",
        path="/dead/{id}/edit",
        right="edit",
        summary="Replay with another body",
        does=edit,
        body=requests.EditOrder,
        answer=responses.EditAnswer,
        refusals=(404, 409),
    ),
)
