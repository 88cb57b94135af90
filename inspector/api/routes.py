"""All routes of the API."""

from __future__ import annotations

from importlib import resources

from aiohttp import web

from inspector.api.actions import ACTION_OPERATIONS
from inspector.api.dead_letters import LETTER_OPERATIONS
from inspector.api.events import EVENT_OPERATIONS
from inspector.api.groups import GROUP_OPERATIONS
from inspector.api.operation import BASE
from inspector.api.status import STATUS_OPERATIONS
from inspector.api.waiting import WAITING_OPERATIONS
from inspector.http.app_context import AppContext
from inspector.http.principal import Principal
from inspector.http.routing import Answer, Route

OPERATIONS = (
    *STATUS_OPERATIONS,
    *EVENT_OPERATIONS,
    *WAITING_OPERATIONS,
    *GROUP_OPERATIONS,
    *LETTER_OPERATIONS,
    *ACTION_OPERATIONS,
)


def api_routes(context: AppContext) -> list[Route]:
    """The routes below /api/v1. A user without an operation's right is rejected before it runs."""
    document = resources.files("inspector.api").joinpath("openapi.json").read_bytes()

    async def describe(_: web.Request, __: Principal) -> Answer:
        return web.Response(body=document, content_type="application/json")

    return [
        Route("GET", f"{BASE}/openapi.json", describe, "none"),
        *(operation.route(context) for operation in OPERATIONS),
    ]
