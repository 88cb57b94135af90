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
from inspector.http.routing import ErrorAnswer
from inspector.operations import CursorError, EditError
from inspector.presentation.serializers import dry_run_record, group_record, page_record, stored_letter_record

_NO_LETTER = ErrorAnswer(404, "There is no such dead letter (any more).")


async def find(context: AppContext, asked: Asked) -> Any:
    """Newest first, masked, with how many match in all. The next page: the same query with `cursor`."""
    wanted = requests.filter_of(asked.query)
    selection = await operations.select(context.redis, wanted)
    seen = structs.replace(wanted, until_ms=selection.until_ms)
    try:
        page = await operations.find(context.redis, seen, limit=asked.query.limit, cursor=asked.query.cursor)
    except CursorError as error:
        return ErrorAnswer(400, f"{error}.")
    return {
        "letters": page_record(page, masking=context.configured.masking),
        "cursor": page.cursor,
        "count": selection.count,
        "until_ms": selection.until_ms,
    }


async def choices(context: AppContext, _: Asked) -> Any:
    """The values that there are of each field, and how many dead letters have each."""
    return {"choices": (await operations.choices(context.redis)).by_field}


async def groups(context: AppContext, asked: Asked) -> Any:
    """What died for the same cause, the group that grew last first."""
    wanted = requests.filter_of(asked.query)
    found = await operations.groups(context.redis, wanted, limit=asked.query.limit)
    return {"groups": [group_record(group, masking=context.configured.masking) for group in found]}


async def show(context: AppContext, asked: Asked) -> Any:
    """Everything that is known of it. Personal data is masked unless revealed, which stands in the audit log."""
    stored_letter = await _looked_at(context, asked)
    if isinstance(stored_letter, ErrorAnswer):
        return stored_letter
    return stored_letter_record(stored_letter, reveal=asked.query.reveal, masking=context.configured.masking)


async def body(context: AppContext, asked: Asked) -> Any:
    """The very bytes that died, with all personal data in them. It stands in the audit log."""
    stored_letter = await operations.reveal(context.redis, asked.name, by=asked.principal.name)
    if stored_letter is None:
        return _NO_LETTER
    if stored_letter.letter.is_unreadable:
        return ErrorAnswer(404, f"There is no body of it to be had: {stored_letter.letter.error}.")
    name = f'attachment; filename="{stored_letter.letter.id}.bin"'
    return web.Response(
        body=stored_letter.body, content_type="application/octet-stream", headers={hdrs.CONTENT_DISPOSITION: name}
    )


async def dry_run(context: AppContext, asked: Asked) -> Any:
    """What would become of it if it were replayed now. Nothing is written, and nothing is sent.

    What would be sent is told as of a masked body, unless revealed, which stands in the audit log.
    """
    dry_run = context.configured.dry_run
    if dry_run is None:
        return ErrorAnswer(503, "This inspector has no rules for a dry run.")
    stored_letter = await _looked_at(context, asked)
    if isinstance(stored_letter, ErrorAnswer):
        return stored_letter
    masking = None if asked.query.reveal else context.configured.masking
    return dry_run_record(operations.masked_dry_run(stored_letter, dry_run, masking=masking))


async def edit(context: AppContext, asked: Asked) -> Any:
    """Hand back a copy with another body; the dead letter itself stays, with a note of it."""
    order: requests.EditOrder = asked.body
    if (order.body is UNSET) == (order.body_base64 is UNSET):
        return ErrorAnswer(400, "Give body or body_base64, one of the two.")
    try:
        edited = order.body.encode() if isinstance(order.body, str) else _decoded(str(order.body_base64))
        done = await operations.replay_edited(context.redis, asked.name, edited, by=asked.principal.name)
    except binascii.Error:
        return ErrorAnswer(400, "body_base64 is not base64.")
    except EditError as error:
        return ErrorAnswer(409, f"This cannot be edited: {error}.")
    return {"id": asked.name, "replayed": True} if done else _NO_LETTER


async def _looked_at(context: AppContext, asked: Asked) -> StoredDeadLetter | ErrorAnswer:
    if not asked.query.reveal:
        return await operations.get(context.redis, asked.name) or _NO_LETTER
    if not asked.principal.may("reveal"):
        return lacking(asked.principal, "reveal")
    return await operations.reveal(context.redis, asked.name, by=asked.principal.name) or _NO_LETTER


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
        answer=responses.StoredLetterRecord,
        errors=(404,),
    ),
    Operation(
        name="getBody",
        method="GET",
        path="/dead/{id}/body",
        right="reveal",
        summary="Download the body of a dead letter",
        does=body,
        answer=bytes,
        errors=(404,),
    ),
    Operation(
        name="dryRunDeadLetter",
        method="GET",
        path="/dead/{id}/dry-run",
        right="read",
        summary="What a replay would do now",
        does=dry_run,
        query=requests.RevealQuery,
        answer=responses.DryRunAnswer,
        errors=(404,),
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
        errors=(404, 409),
    ),
)
