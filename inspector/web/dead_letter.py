"""The page of one dead letter, and its forms."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, quote_plus

from aiohttp import hdrs, web
from msgspec import Struct

from broker.dead_letters import MAX_NOTE_CHARS, StoredDeadLetter
from inspector.http.app_context import AppContext
from inspector.http.auth_middleware import redirect
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.operations import search, single_letter
from inspector.operations.action_steps.verb_steps import dry_run_result
from inspector.operations.single_letter import EditError
from inspector.presentation.error_location import BodyLine, locate_error
from inspector.web.pages import Pages

# A whole request may have 64 KiB.
_MAX_FORM_BYTES = 60_000
"""Largest body that can be edited in a form."""

_NO_LETTER = ErrorAnswer(404, "There is no such dead letter. It may have been replayed or discarded.")


class _LetterView(Struct, frozen=True):
    """How the page shows a letter."""

    is_revealed: bool = False
    edited: str = ""
    """The edited body, if it was rejected."""

    fault: str = ""
    """Why the edited body was rejected."""


_MASKED_VIEW = _LetterView()


def letter_routes(context: AppContext, pages: Pages) -> list[Route]:
    """The page at /dead/{id} and its forms."""

    async def letter(request: web.Request, principal: Principal) -> Answer:
        stored_letter = await search.get(context.partitions, request.match_info["id"])
        return _page(context, pages, request, principal, stored_letter) if stored_letter else _NO_LETTER

    async def reveal(request: web.Request, principal: Principal) -> Answer:
        stored_letter = await single_letter.reveal(context.partitions, request.match_info["id"], by=principal.name)
        return (
            _page(context, pages, request, principal, stored_letter, _LetterView(is_revealed=True))
            if stored_letter
            else _NO_LETTER
        )

    async def raw(request: web.Request, principal: Principal) -> Answer:
        stored_letter = await single_letter.reveal(context.partitions, request.match_info["id"], by=principal.name)
        return _download(stored_letter) if stored_letter else _NO_LETTER

    async def note(request: web.Request, principal: Principal) -> Answer:
        letter_id, text = request.match_info["id"], str((await request.post()).get("note", "")).strip()
        if not text or len(text) > MAX_NOTE_CHARS:
            return ErrorAnswer(422, f"A note has 1 to {MAX_NOTE_CHARS:,} characters.")
        noted = await single_letter.add_note(context.partitions, letter_id, text, by=principal.name)
        return redirect(f"/dead/{letter_id}#notes") if noted else _NO_LETTER

    async def edit(request: web.Request, principal: Principal) -> Answer:
        letter_id, text = request.match_info["id"], str((await request.post()).get("body", ""))
        try:
            body = single_letter.parse_edited_body(text)
            replayed = await single_letter.replay_edited(context.partitions, letter_id, body, by=principal.name)
        except EditError as error:
            stored_letter = await single_letter.reveal(context.partitions, letter_id, by=principal.name)
            if stored_letter is None:
                return _NO_LETTER
            return _page(context, pages, request, principal, stored_letter, _LetterView(True, text, str(error)))
        return redirect(f"/dead/{letter_id}#notes") if replayed else _NO_LETTER

    return [
        Route("GET", "/dead/{id}", letter),
        Route("POST", "/dead/{id}/reveal", reveal, "reveal"),
        Route("POST", "/dead/{id}/raw", raw, "reveal"),
        Route("POST", "/dead/{id}/note", note, "operate"),
        Route("POST", "/dead/{id}/edit", edit, "edit"),
    ]


def _page(
    context: AppContext,
    pages: Pages,
    request: web.Request,
    principal: Principal,
    stored_letter: StoredDeadLetter,
    view: _LetterView = _MASKED_VIEW,
) -> web.Response:
    configured, letter = context.configured, stored_letter.letter
    masking = None if view.is_revealed else configured.masking
    body = locate_error(stored_letter.body, letter.path, masking=masking)
    return pages.show(
        request,
        principal,
        "letter.html",
        status=422 if view.fault else 200,
        letter=letter,
        place=f"/dead/{quote(letter.id)}",
        bytes=len(stored_letter.body),
        body=body,
        error_context=error_context(body.lines),
        headers=[line.partition(": ")[::2] for line in letter.headers.splitlines()],
        notes=stored_letter.notes,
        result=single_letter.masked_dry_run(stored_letter, configured.dry_run, masking=masking)
        if configured.dry_run
        else None,
        has_text=_has_text(stored_letter, context),
        is_revealed=view.is_revealed,
        edited=view.edited or _editable(stored_letter, principal, view.is_revealed),
        is_too_large=_is_too_large(stored_letter),
        fault=view.fault,
        max_note=MAX_NOTE_CHARS,
        now_ms=context.partitions.control.clock.now_ms(),
        shown=str if view.is_revealed else configured.masking.texts_of(stored_letter.body),
    )


def _has_text(stored_letter: StoredDeadLetter, context: AppContext) -> list[bool]:
    """For each notification of a dry run whether its rule sets a text, which may not be shown."""
    dry_run = context.configured.dry_run
    return [bool(made.text) for made in dry_run_result(stored_letter, dry_run).notifications] if dry_run else []


def error_context(lines: Sequence[BodyLine], count: int = 3) -> Sequence[BodyLine]:
    """The marked line and `count` lines before and after it; empty if no line is marked."""
    at = next((number for number, line in enumerate(lines) if line.is_marked), None)
    return () if at is None else lines[max(0, at - count) : at + count + 1]


def _editable(stored_letter: StoredDeadLetter, principal: Principal, is_revealed: bool) -> str:
    """The text for the edit form; "" if the user cannot edit it here."""
    if not is_revealed or not principal.may("edit") or _is_too_large(stored_letter):
        return ""
    try:
        return single_letter.editable_text(stored_letter)
    except EditError:
        return ""


def _is_too_large(stored_letter: StoredDeadLetter) -> bool:
    """Return whether the body is too large for a form, in the encoding that a browser uses."""
    if len(stored_letter.body) > _MAX_FORM_BYTES:
        return True
    try:
        text = single_letter.editable_text(stored_letter)
    except EditError:
        return False
    return len(quote_plus(text.replace("\n", "\r\n"))) > _MAX_FORM_BYTES


def _download(stored_letter: StoredDeadLetter) -> web.Response:
    name = f"{stored_letter.letter.id}.{'bin' if stored_letter.letter.reason == 'unreadable' else 'json'}"
    return web.Response(
        body=stored_letter.body,
        content_type="application/octet-stream",
        headers={hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"'},
    )
