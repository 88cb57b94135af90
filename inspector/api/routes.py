"""All of the API, as the site takes it."""

from __future__ import annotations

from importlib import resources

from aiohttp import web

from inspector.api.actions import ACTING
from inspector.api.dead_letters import LETTERS
from inspector.api.operation import BASE
from inspector.api.status import STANDING
from inspector.http.app_context import AppContext
from inspector.http.principal import Principal
from inspector.http.routing import Answer, Route

OPERATIONS = (*STANDING, *LETTERS, *ACTING)


def api_routes(context: AppContext) -> list[Route]:
    """What answers below /api/v1. Who lacks an operation's right never gets to it."""
    document = resources.files("inspector.api").joinpath("openapi.json").read_bytes()

    async def describe(_: web.Request, __: Principal) -> Answer:
        return web.Response(body=document, content_type="application/json")

    return [
        Route("GET", f"{BASE}/openapi.json", describe, "none"),
        *(operation.route(context) for operation in OPERATIONS),
    ]
