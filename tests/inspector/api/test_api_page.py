"""Runs the commands of docs/api.md with another fingerprint and another count."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from broker.redis.client import Client
from tests.inspector.api.calling import TOKENS, add_few, calling
from tests.programs import needs
from tests.redis_server import RedisServer
from tests.subprocesses import running_program

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
COMMANDS = re.findall(r"```sh\n(curl.*?)```", PAGE, re.DOTALL)


@needs("curl")
async def test_the_commands_of_the_page_work(redis_server: RedisServer, redis: Client) -> None:
    await add_few(redis, 2)
    async with calling(redis_server) as api:
        environ = {"API": f"{api.served.url}/api/v1", "TOKEN": TOKENS["ann"], "PATH": "/usr/bin:/bin"}
        group = (await api.get("/dead/groups")).json["groups"][0]

        async def run(command: str) -> str:
            filled = command.replace("9f2c51a07be3", group["fingerprint"])
            # With `exec`, the process that is killed at the end is curl and not its shell.
            async with running_program(
                *("/bin/sh", "-c", f"exec {filled}"),
                env=environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as process:
                return (await process.communicate())[0].decode()

        find, dry_run, replay = COMMANDS
        assert json.loads(await run(find))["count"] == group["count"] == 2
        assert "201 Created" in await run(dry_run)
        assert "409 Conflict" in await run(replay)
        begun = await run(replay.replace("42", "2"))
        assert "201 Created" in begun and "Location: /api/v1/actions/" in begun
