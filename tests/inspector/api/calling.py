"""A site with every kind of user and of dead letter, and a client of its API."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import jsonschema
from msgspec import Struct

from broker.dead_letters.dead_letter import died_at_intake
from broker.queue.batch import RawBody
from broker.redis.client import Client
from inspector.http.app_context import Configured
from inspector.settings import User
from launcher.composition.dry_runs import dry_run
from launcher.config.config import Config
from sources.secret import Secret
from sources.settings import Settings as SourceSettings
from tests.inspector.stack import (
    BROKEN,
    TO_CRM,
    accept,
    add_stored,
    crm,
    make_dead_letters,
    running_receiver,
    running_worker,
    sample,
    wait_until_idle,
)
from tests.inspector.web.serving import Served, serving
from tests.redis_server import RedisServer
from tools.openapi import FILE

PASSWORD = "correct horse battery"
TOKENS = {"ann": "token-of-ann-which-is-long", "bob": "token-of-bob-which-is-long", "eve": "token-of-eve-x-long"}
USERS = {
    "ann": User(password=Secret(PASSWORD), token=Secret(TOKENS["ann"]), role="operate", reveal=True),
    "bob": User(password=Secret("bobs own password"), token=Secret(TOKENS["bob"])),
    "eve": User(password=Secret("eves own password"), token=Secret(TOKENS["eve"]), role="operate"),
}
DOCUMENT = json.loads(FILE.read_text())
CHANNELS = crm("http://127.0.0.1:9/")
CONFIG = Config(sources={"voucherify": SourceSettings()}, rules=TO_CRM, channels=CHANNELS)
CONFIGURED = Configured(sources=CONFIG.sources, channels=("console", "crm"), dry_run=dry_run(CONFIG))


class Answered(Struct):
    status: int
    content: bytes
    headers: Any

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class Caller:
    """Sends requests as a user, and checks each answer of a documented operation against openapi.json."""

    def __init__(self, served: Served, session: aiohttp.ClientSession) -> None:
        self.served = served
        self._session = session

    async def get(self, path: str, *, by: str = "ann", **query: Any) -> Answered:
        return await self.ask("GET", path, by=by, params={name: str(value) for name, value in query.items()})

    async def post(self, path: str, body: Any = None, *, by: str = "ann", **options: Any) -> Answered:
        content = json.dumps({} if body is None else body).encode()
        headers = {"Content-Type": "application/json"} | options.pop("headers", {})
        return await self.ask("POST", path, by=by, data=io.BytesIO(content), headers=headers, **options)

    async def ask(self, method: str, path: str, *, by: str = "ann", **options: Any) -> Answered:
        headers = {"Authorization": f"Bearer {TOKENS[by]}"} if by else {}
        headers |= options.pop("headers", {})
        url = f"{self.served.url}/api/v1{path}"
        async with self._session.request(method, url, headers=headers, **options) as answer:
            answered = Answered(answer.status, await answer.read(), answer.headers)
        _check(method, path, answered)
        return answered

    async def action(self, body: dict[str, Any], *, by: str = "ann") -> str:
        begun = await self.post("/actions", body, by=by)
        assert begun.status == 201, begun.content
        return str(begun.json["id"])

    async def first(self, **query: Any) -> dict[str, Any]:
        letter: dict[str, Any] = (await self.get("/dead", **query)).json["letters"][0]
        return letter


@asynccontextmanager
async def calling(server: RedisServer, **options: Any) -> AsyncIterator[Caller]:
    options.setdefault("users", USERS)
    options.setdefault("configured", CONFIGURED)
    async with serving(server.url, **options) as served, aiohttp.ClientSession() as session:
        yield Caller(served, session)


async def add_many_kinds(server: RedisServer, redis: Client) -> None:
    """Add dead letters of intake with two causes, and dead letters of notify."""
    await make_dead_letters(server, redis, *(sample(number) for number in range(5)))
    await make_dead_letters(server, redis, BROKEN, source="voucherify", hint="order.paid")
    await accept(redis, sample(7), sample(8))
    async with running_receiver() as gone, running_worker(server, rules=TO_CRM, channels=crm(gone.url)):
        gone.status, gone.answer = 400, "no such customer ada@example.com"
        await wait_until_idle(redis)


async def add_few(redis: Client, count: int) -> None:
    """Add dead letters of a source that does not exist, without starting a worker."""
    stored_letters = []
    for number in range(count):
        body = RawBody(time.time_ns() // 1_000_000, "absent", "", sample(number))
        stored_letters.append(
            died_at_intake(body, reason="undecodable", error="no such source", error_class="NoSource")
        )
    await add_stored(redis, stored_letters)


def _check(method: str, path: str, answered: Answered) -> None:
    described = _described(method, path)
    if described is None:
        return
    assert str(answered.status) in described["responses"], (method, path, answered.status, answered.content)
    response = described["responses"][str(answered.status)]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    ((kind, content),) = response["content"].items()
    assert answered.headers["Content-Type"] == kind
    if kind == "application/json":
        schema = {**content["schema"], "components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(schema).validate(answered.json)
    for name in response.get("headers", {}):
        assert name in answered.headers


def _described(method: str, path: str) -> dict[str, Any] | None:
    parts = path.split("/")[1:]
    for template, operations in sorted(DOCUMENT["paths"].items(), key=lambda item: item[0].count("{")):
        names = template.removeprefix("/api/v1/").split("/")
        if len(names) == len(parts) and all(
            name == part or name[0] == "{" for name, part in zip(names, parts, strict=True)
        ):
            operation: dict[str, Any] | None = operations.get(method.lower())
            return operation
    return None


def as_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
