"""The page with the audit log."""

from __future__ import annotations

from aiohttp import web

from broker.merged import audit as audit_log
from inspector.http.app_context import AppContext
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.operations.status import incomplete
from inspector.web.pages import Pages
from runtime.ids import is_id

PAGE_SIZE = 50


def audit_routes(context: AppContext, pages: Pages) -> list[Route]:
    """The page at /audit."""

    async def audit(request: web.Request, principal: Principal) -> Answer:
        before = request.query.get("before", "")
        if before and not audit_log.is_position(before):
            return ErrorAnswer(400, "before must be a value from a link on a page of the audit log.")
        found, away = await audit_log.read(context.partitions, before=before, count=PAGE_SIZE + 1)
        page = found[:PAGE_SIZE]
        return pages.show(
            request,
            principal,
            "audit.html",
            audit_entries=page,
            incomplete=incomplete(away),
            older=f"/audit?before={page[-1].id}" if len(found) > PAGE_SIZE else "",
            is_first=not before,
            is_id=is_id,
            shown=context.configured.masking.text,
        )

    return [Route("GET", "/audit", audit)]
