"""A whole Hookline, each part a process of its own, while garbage is written into its Redis."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from sources import KINDS
from sources.secret import Secret
from sources.signed_request import SignedRequest
from tests.fuzz.garbage import Garbage
from tests.launcher.running import Running, environment, hookline
from tests.ports import free_port
from tests.redis_server import RedisServer
from tests.sink import Sink, running_sink
from tests.until import until

KIND = KINDS["voucherify"]
EVENT = "customer.voucher.loyalty_card.points_added"
SECRET = Secret("a secret of the fuzz test")
PAGES = (
    "/",
    "/dead",
    "/groups",
    "/actions",
    "/audit",
    "/channels",
    "/healthz",
    "/api/v1/status",
    "/api/v1/dead",
    "/api/v1/dead/groups",
    "/api/v1/dead/choices",
    "/api/v1/actions",
    "/api/v1/audit",
    "/api/v1/channels",
)
_ANSWERS_WITHIN_S = 60.0
_CONFIG = """
[redis]
url = "{redis}"
[receiver]
port = {receiver}
spill_dir = "spill"
[worker]
processes = 1
lease_s = 3.0
takeover_s = 3.0
unrecognized_grace_s = 1.0
[inspector]
port = {inspector}
[sources.voucherify]
expect_every_s = 1.0
[channels.sink]
kind = "http"
url = "{sink}"
allow_private = true
rate_per_s = 500.0
[channels.other]
kind = "http"
url = "{sink}"
allow_private = true
[[rules]]
name = "plain"
events = ["*"]
channel = "sink"
[[rules]]
name = "digest"
events = ["*"]
channel = "other"
text = "x"
[rules.digest]
key = "data.customer.id"
window = "1s"
[[rules]]
name = "latest"
events = ["*"]
channel = "other"
latest_only = "data.customer.id"
[log]
format = "json"
level = "warning"
"""


class GarbageStack:
    """The running processes, and the webhooks that they were sent."""

    def __init__(self, directory: Path, server: RedisServer, sink: Sink, session: aiohttp.ClientSession) -> None:
        self._directory = directory
        self._server = server
        self._sink = sink
        self._session = session
        self._receiver, self._inspector = free_port(), free_port()
        self._sent = 0
        self._running: dict[str, Running] = {}
        self._children: dict[str, list[int]] = {}

    async def start(self) -> None:
        text = _CONFIG.format(
            redis=self._server.url, sink=self._sink.url, receiver=self._receiver, inspector=self._inspector
        )
        (self._directory / "hookline.toml").write_text(text)
        self._env = environment(
            HOOKLINE_SOURCES_VOUCHERIFY_SECRETS=SECRET.reveal().decode(),
            HOOKLINE_INSPECTOR_PORT=str(self._inspector),
        )
        for name in ("receiver", "worker", "worker 2", "inspector"):
            self._running[name] = Running("-m", "launcher", name.split()[0], cwd=self._directory, env=self._env)
        await until(self._is_up, seconds=180)
        await self.check()
        self._children = {name: running.children() for name, running in self._running.items()}

    async def _is_up(self) -> bool:
        try:
            return await self.get(self._receiver, "/healthz") == 200 == await self.get(self._inspector, "/healthz")
        except aiohttp.ClientError:
            return False

    async def get(self, port: int, path: str) -> int:
        timeout = aiohttp.ClientTimeout(total=_ANSWERS_WITHIN_S)
        try:
            async with self._session.get(f"http://127.0.0.1:{port}{path}", timeout=timeout) as answer:
                await answer.read()
                return answer.status
        except TimeoutError:
            raise AssertionError(f"{path} did not answer within {_ANSWERS_WITHIN_S:g} s") from None

    async def post(self) -> tuple[str, int]:
        """Send one valid webhook; return its transaction, which no other webhook has, and the status."""
        self._sent += 1
        body = KIND.sample(self._sent, EVENT)
        url = f"http://127.0.0.1:{self._receiver}/webhooks/voucherify"
        headers = KIND.sign(SignedRequest(body, {}), SECRET)
        async with self._session.post(url, data=body, headers=headers) as answer:
            return json.loads(body)["data"]["transaction"]["id"], answer.status

    async def write_garbage(self, garbage: Garbage, *, seconds: float) -> None:
        """Write garbage while webhooks arrive and pages are requested."""
        ends, pages = asyncio.get_running_loop().time() + seconds, 0
        while asyncio.get_running_loop().time() < ends:
            for _ in range(5):
                garbage.write()
            await self.post()
            await self.get(self._inspector, PAGES[pages % len(PAGES)])
            await self.get(self._receiver, ("/readyz", "/metrics")[pages % 2])
            pages += 1

    async def check(self) -> None:
        """Check that no process has ended, all pages answer, and new webhooks are notified in time."""
        events = []
        for _ in range(5):
            event, status = await self.post()
            assert status == 202
            events.append(event)
        await until(lambda: set(events) <= self._notified("plain"), seconds=_ANSWERS_WITHIN_S)
        for page in PAGES:
            assert await self.get(self._inspector, page) == 200, page
        assert await self.get(self._receiver, "/readyz") == 200
        assert await self.get(self._receiver, "/metrics") == 200

    def _notified(self, rule: str) -> set[str]:
        return {sent["data"]["transaction"]["id"] for sent in self._sink.got if sent["rule"] == rule}

    async def wait_for_digest(self) -> None:
        """Wait until an event is in a digest that is sent."""
        before = sum(sent["rule"] == "digest" for sent in self._sink.got)
        await self.post()
        await until(
            lambda: sum(sent["rule"] == "digest" for sent in self._sink.got) > before, seconds=_ANSWERS_WITHIN_S
        )

    async def status(self) -> dict[str, Any]:
        """Return what `hookline status --json` prints."""
        ran = await asyncio.to_thread(hookline, "status", "--json", cwd=self._directory, env=self._env)
        assert ran.returncode in (0, 1), ran.stderr
        return dict(json.loads(ran.stdout))

    def faults(self) -> dict[str, str]:
        """Check that no process ended, and return the unexpected exceptions that each process logged."""
        faults = {}
        for name, running in self._running.items():
            assert running.children() == self._children[name], (
                f"a process of {name} ended: {running.output[-3000:]}"
            )
            lines = [line for line in running.output.splitlines() if "Traceback" in line or '"exception"' in line]
            if lines:
                faults[name] = "\n".join(lines[:5])
        return faults

    def kill(self) -> None:
        for running in self._running.values():
            running.kill()


@asynccontextmanager
async def garbage_stack(directory: Path, server: RedisServer) -> AsyncIterator[GarbageStack]:
    """Start a stack and check that it works; kill it at the end."""
    async with running_sink() as sink, aiohttp.ClientSession() as session:
        stack = GarbageStack(directory, server, sink, session)
        try:
            await stack.start()
            yield stack
        finally:
            stack.kill()
