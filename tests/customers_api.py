"""A real HTTP server with the provider's API for customers, which records its requests."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from sources.api import Settings as ApiSettings
from sources.secret import Secret

APP_ID = "app-7c1f"
TOKEN = "token-91ab52"

Answer = Callable[[str, int], Awaitable[web.StreamResponse | None] | web.StreamResponse | None]
"""(customer id, number of requests including this one) -> the answer; None for the default customer."""


class CustomersApi:
    """`asked` holds the id and the time (s, monotonic) of every request, `most` the most concurrent ones."""

    def __init__(self) -> None:
        self.customers: dict[str, dict[str, Any]] = {}
        self.answer: Answer = lambda _id, _times: None
        self.asked: list[tuple[str, float]] = []
        self.headers: dict[str, str] = {}
        self.paths: list[str] = []
        self.most = 0
        self.url = ""
        self._under_way = 0

    @property
    def ids(self) -> list[str]:
        return [customer_id for customer_id, _ in self.asked]

    def settings(self, **changes: Any) -> ApiSettings:
        token = Secret(changes.pop("token", TOKEN))
        settings = {"url": self.url, "app_id": APP_ID, "timeout_s": 20.0, "rate_per_s": 1000.0} | changes
        return ApiSettings(token=token, **settings)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        customer_id = request.match_info["id"]
        self.asked.append((customer_id, time.monotonic()))
        self.headers = dict(request.headers)
        self.paths.append(request.raw_path)
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        try:
            return await self._answered(request, customer_id)
        finally:
            self._under_way -= 1

    async def _answered(self, request: web.Request, customer_id: str) -> web.StreamResponse:
        if (request.headers.get("X-App-Id"), request.headers.get("X-App-Token")) != (APP_ID, TOKEN):
            return web.json_response({"code": 401, "key": "unauthorized"}, status=401)
        answer = self.answer(customer_id, len(self.asked))
        answer = answer if answer is None or isinstance(answer, web.StreamResponse) else await answer
        if answer is not None:
            return answer
        customer = self.customers.get(customer_id)
        if customer is None:
            return web.json_response({"code": 404, "key": "not_found", "details": customer_id}, status=404)
        return web.json_response({"id": customer_id, "object": "customer", **customer})


@asynccontextmanager
async def running_api() -> AsyncIterator[CustomersApi]:
    api = CustomersApi()
    app = web.Application()
    app.router.add_get("/v1/customers/{id}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        await runner.cleanup()
