"""Running parts of Hookline with a config file, and signed webhooks to them, each over its own connection."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from sources import KINDS
from sources.secret import Secret
from sources.signed_request import SignedRequest
from tests.inspector.stack import sample
from tests.launcher import running as programs
from tests.launcher.running import Running, hookline
from tests.ports import free_port
from tests.redis_server import RedisServer
from tests.until import until

KIND = KINDS["voucherify"]


class Stack:
    """`hookline COMMAND` with the config that `configure` wrote and `variables`, in a directory of its own."""

    def __init__(self, directory: Path, redis: RedisServer, **variables: str) -> None:
        self.directory = directory
        self._redis = redis
        self._variables = variables
        self._port = free_port()
        self._running: list[Running] = []

    def configure(self, toml: str) -> None:
        (self.directory / "hookline.toml").write_text(toml)

    def write_secret(self, name: str, value: str) -> Secret:
        """Replace the secret file in one step, as tools that rotate secrets do."""
        draft = self.directory / f"{name}.draft"
        draft.write_text(f"{value}\n")
        draft.rename(self.directory / name)
        return Secret(value)

    async def start(self, *arguments: str) -> Running:
        running = Running("-m", "launcher", *arguments, cwd=self.directory, env=self.environment())
        self._running.append(running)
        await running.says("worker_started" if arguments[0] == "worker" else "receiver_started")
        return running

    async def start_sending(self, *arguments: str) -> Running:
        """Start `hookline send`, which ends by itself."""
        running = Running("-m", "launcher", "send", *arguments, cwd=self.directory, env=self.environment())
        self._running.append(running)
        return running

    async def run(self, *arguments: str) -> str:
        """Run a command that exits with 0, and return its output."""
        ran = await asyncio.to_thread(hookline, *arguments, cwd=self.directory, env=self.environment())
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    async def metrics(self, port: int = 0) -> str:
        """Return the metrics of the receivers, or of the part with this port."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port or self._port}/metrics") as answer,
        ):
            return await answer.text()

    def environment(self) -> dict[str, str]:
        port = str(self._port)
        return programs.environment(REDIS_URL=self._redis.url, HOOKLINE_RECEIVER_PORT=port, **self._variables)

    def kill(self) -> None:
        for running in self._running:
            running.kill()

    async def post(self, source: str, secret: Secret, number: int = 1) -> int:
        return await self.post_body(source, secret, sample(number))

    def url(self, source: str) -> str:
        return f"http://127.0.0.1:{self._port}/webhooks/{source}"

    async def post_body(self, source: str, secret: Secret, body: bytes) -> int:
        return await self.post_signed(source, body, KIND.sign(SignedRequest(body, {}), secret))

    async def post_signed(self, source: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send a webhook with these headers, and return the status of the answer."""
        url = self.url(source)
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers=headers) as answer,
        ):
            return answer.status

    async def answers(self, source: str, secret: Secret, status: int) -> None:
        """Wait until twenty concurrent webhooks get this status, so that every receiver process answers it."""

        async def all_do() -> bool:
            statuses = await asyncio.gather(*(self.post(source, secret, number) for number in range(20)))
            return set(statuses) == {status}

        await until(all_do)
