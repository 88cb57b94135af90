"""Dead letters in the API: find, show, dry-run, and replay with an edited body."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from aiohttp import hdrs, web
from msgspec import UNSET, structs

from broker.dead_letters import StoredDeadLetter
from broker.merged.away import Away
from inspector.api import dead_letter_responses, requests
from inspector.api.operation import ApiRequest, Operation
from inspector.http.app_context import AppContext
from inspector.http.auth_middleware import forbidden
from inspector.http.routing import ErrorAnswer
from inspector.operations import bulk_actions, search, single_letter
from inspector.operations.single_letter import EditError
from inspector.operations.status import incomplete
from inspector.operations.walk import CursorError
from inspector.presentation.serializers import dry_run_record, page_record, stored_letter_record

_NO_LETTER = ErrorAnswer(404, "There is no such dead letter. It may have been replayed or discarded.")


async def find(context: AppContext, request: ApiRequest) -> Any:
    """Dead letters that match, newest first, masked, with their total number.

    Next page: the same query with `cursor`.
    """
    letter_filter = requests.filter_of(request.query)
    away: Away = {}
    selection = await bulk_actions.select(context.partitions, letter_filter, away=away)
    closed = structs.replace(letter_filter, until_ms=selection.until_ms)
    try:
        page = await search.find(
            context.partitions, closed, limit=request.query.limit, cursor=request.query.cursor, away=away
        )
    except CursorError as error:
        return ErrorAnswer(400, f"{error}.")
    return {
        "letters": page_record(page, masking=context.configured.masking),
        "cursor": page.cursor,
        "count": selection.count,
        "until_ms": selection.until_ms,
        "incomplete": incomplete(away),
    }


async def choices(context: AppContext, _: ApiRequest) -> Any:
    """For each field of a filter the values that exist, and how many dead letters have each."""
    away: Away = {}
    values = await search.choices(context.partitions, away=away)
    return {"choices": values.by_field, "incomplete": incomplete(away)}


async def show(context: AppContext, request: ApiRequest) -> Any:
    """A dead letter with its history and body.

    Personal data is masked unless revealed, which writes an audit entry.
    """
    stored_letter = await _read(context, request)
    if isinstance(stored_letter, ErrorAnswer):
        return stored_letter
    return stored_letter_record(stored_letter, reveal=request.query.reveal, masking=context.configured.masking)


async def body(context: AppContext, request: ApiRequest) -> Any:
    """The exact bytes of the body, including personal data. Writes an audit entry."""
    stored_letter = await single_letter.reveal(context.partitions, request.path_value, by=request.principal.name)
    if stored_letter is None:
        return _NO_LETTER
    if stored_letter.letter.is_unreadable:
        return ErrorAnswer(404, f"The body cannot be read: {stored_letter.letter.error}.")
    name = f'attachment; filename="{stored_letter.letter.id}.bin"'
    return web.Response(
        body=stored_letter.body, content_type="application/octet-stream", headers={hdrs.CONTENT_DISPOSITION: name}
    )


async def dry_run(context: AppContext, request: ApiRequest) -> Any:
    """Preview what a replay would do now. Nothing is written and nothing is sent.

    The messages are rendered from a masked body unless revealed, which writes an audit entry.
    """
    dry_run = context.configured.dry_run
    if dry_run is None:
        return ErrorAnswer(503, "This inspector has no rules, so it cannot do a dry run.")
    stored_letter = await _read(context, request)
    if isinstance(stored_letter, ErrorAnswer):
        return stored_letter
    masking = None if request.query.reveal else context.configured.masking
    return dry_run_record(single_letter.masked_dry_run(stored_letter, dry_run, masking=masking))


async def edit(context: AppContext, request: ApiRequest) -> Any:
    """Replay a copy with another body. The dead letter itself stays and gets a note about it."""
    edit_request: requests.EditRequest = request.body
    text, encoded = edit_request.body, edit_request.body_base64
    if (text is UNSET) == (encoded is UNSET):
        return ErrorAnswer(400, "Send either body or body_base64.")
    try:
        edited = text.encode() if isinstance(text, str) else base64.b64decode(str(encoded), validate=True)
        replayed = await single_letter.replay_edited(
            context.partitions, request.path_value, edited, by=request.principal.name
        )
    except binascii.Error:
        return ErrorAnswer(400, "body_base64 is not base64.")
    except EditError as error:
        return ErrorAnswer(409, f"This cannot be edited: {error}.")
    return {"id": request.path_value, "replayed": True} if replayed else _NO_LETTER


async def _read(context: AppContext, request: ApiRequest) -> StoredDeadLetter | ErrorAnswer:
    if not request.query.reveal:
        return await search.get(context.partitions, request.path_value) or _NO_LETTER
    if not request.principal.may("reveal"):
        return forbidden(request.principal, "reveal")
    return (
        await single_letter.reveal(context.partitions, request.path_value, by=request.principal.name) or _NO_LETTER
    )


LETTER_OPERATIONS = (
    Operation(
        name="findDeadLetters",
        method="GET",
        path="/dead",
        right="read",
        summary="Find dead letters",
        handler=find,
        query=requests.LettersQuery,
        answer=dead_letter_responses.LettersAnswer,
    ),
    Operation(
        name="listChoices",
        method="GET",
        path="/dead/choices",
        right="read",
        summary="List values to filter by",
        handler=choices,
        answer=dead_letter_responses.ChoicesAnswer,
    ),
    Operation(
        name="getDeadLetter",
        method="GET",
        path="/dead/{id}",
        right="read",
        summary="Show a dead letter",
        handler=show,
        query=requests.RevealQuery,
        answer=dead_letter_responses.StoredLetterRecord,
        errors=(404,),
    ),
    Operation(
        name="getBody",
        method="GET",
        path="/dead/{id}/body",
        right="reveal",
        summary="Download the body of a dead letter",
        handler=body,
        answer=bytes,
        errors=(404,),
    ),
    Operation(
        name="dryRunDeadLetter",
        method="GET",
        path="/dead/{id}/dry-run",
        right="read",
        summary="Dry-run a dead letter",
        handler=dry_run,
        query=requests.RevealQuery,
        answer=dead_letter_responses.DryRunAnswer,
        errors=(404,),
    ),
    Operation(
        name="editDeadLetter",
        method="POST",
        path="/dead/{id}/edit",
        right="edit",
        summary="Replay an edited copy",
        handler=edit,
        body=requests.EditRequest,
        answer=dead_letter_responses.EditAnswer,
        errors=(404, 409),
    ),
)
