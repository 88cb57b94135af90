"""The inspector's site on a real socket, and a client that sends the requests of a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from html import unescape
from typing import Any

import aiohttp
from msgspec import Struct

from broker.redis.connection import Settings as RedisSettings
from broker.redis.partitions import Partitions, connect_all
from inspector.http.app_context import Configured
from inspector.http.routing import Route
from inspector.settings import Settings, User
from inspector.site import Site
from runtime.listening_socket import listen
from sources.secret import Secret
from sources.settings import Settings as SourceSettings

PASSWORD = "correct horse battery"
TOKEN = "token-of-ann-which-is-long"
USERS = {
    "ann": User(password=Secret(PASSWORD), token=Secret(TOKEN), role="operate", reveal=True),
    "bob": User(password=Secret("bobs own password")),
}
CONFIGURED = Configured(sources={"voucherify": SourceSettings()}, channels=("console", "crm"))


class Reply(Struct):
    status: int
    text: str
    headers: Mapping[str, str]
    cookies: dict[str, Any]

    @property
    def csrf(self) -> str:
        """The CSRF token of the first form of the page."""
        match = re.search(r'name="csrf" value="([^"]+)"', self.text)
        assert match, self.text
        return unescape(match[1])


class Browser:
    """Keeps cookies, and sends the headers that a browser sends with a form."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.ask("GET", path, **options)

    async def post(self, path: str, form: Mapping[str, str], **options: Any) -> Reply:
        headers = {"Origin": self.served.url, "Sec-Fetch-Site": "same-origin"} | options.pop("headers", {})
        return await self.ask("POST", path, data=form, headers=headers, **options)

    async def post_json(self, path: str, **options: Any) -> Reply:
        return await self.ask("POST", path, json={}, **options)

    async def ask(self, method: str, path: str, **options: Any) -> Reply:
        options.setdefault("allow_redirects", False)
        async with self.session.request(method, f"{self.served.url}{path}", **options) as answer:
            cookies = dict(answer.cookies.items())
            return Reply(answer.status, await answer.text(), answer.headers, cookies)

    async def log_in(self, name: str = "ann", password: str = PASSWORD, **fields: str) -> Reply:
        form = await self.get("/login")
        return await self.post("/login", {"csrf": form.csrf, "name": name, "password": password, **fields})


class Served:
    def __init__(self, site: Site, port: int) -> None:
        self.site = site
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[Browser]:
        browser = Browser(self)
        async with browser.session:
            yield browser


@asynccontextmanager
async def serving(
    redis_url: str = "",
    *,
    partitions: Partitions | None = None,
    users: Mapping[str, User] | None = None,
    configured: Configured = CONFIGURED,
    routes: tuple[Route, ...] = (),
    port: int = 0,
    **settings: Any,
) -> AsyncIterator[Served]:
    """Run a site on the Redis with this URL, or on `partitions`, with additional `routes`.

    It takes the client address from X-Forwarded-For if present.
    """
    chosen = Settings(port=port, users=dict(users or {}), **settings)
    clients = partitions or connect_all(RedisSettings(url=redis_url, connect_timeout_s=0.5))
    site = Site(
        chosen,
        clients,
        configured,
        lambda peer, forwarded, _: forwarded[0] if forwarded else peer or "",
        extra_routes=routes,
    )
    listener = listen(chosen.host, chosen.port)
    await site.start(listener)
    try:
        yield Served(site, listener.getsockname()[1])
    finally:
        await site.stop()
        await clients.aclose()
