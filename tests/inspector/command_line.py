"""The inspector's commands, run in this process or in one of their own."""

import asyncio
import sys
from typing import Any

import typer
from arq.connections import ArqRedis
from typer.testing import CliRunner

from broker.connection import Settings
from broker.spilled import Spilled
from inspector import channels, commands
from sources.settings import Settings as SourceSettings
from tests.inspector.running import TO_CRM, accept, all_letters, crm, sample, settled, taker, working
from tests.redis_server import RedisServer

app = typer.Typer()
app.add_typer(commands.dead, name="dead")
app.add_typer(channels.channel, name="channel")
app.command("status")(commands.status)


class Standing:
    """What launcher gives as ctx.obj."""

    def __init__(self, url: str, on_disk: dict[str, Spilled] | None = None) -> None:
        self.url = url
        self.on_disk = on_disk or {}

    def redis(self) -> Settings:
        return Settings(url=self.url)

    def spilled(self) -> dict[str, Spilled]:
        return self.on_disk

    def channels(self) -> list[str]:
        return ["console", "crm"]

    def sources(self) -> dict[str, SourceSettings]:
        return {"voucherify": SourceSettings()}


async def hookline(server: RedisServer, *arguments: str) -> Any:
    """Run a command, off this event loop: it makes its own."""
    call: Any = CliRunner(env={"COLUMNS": "80", "TERM": "dumb"}).invoke
    result = await asyncio.to_thread(call, app, list(arguments), obj=Standing(server.url))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


async def refused_by_crm(server: RedisServer, redis: ArqRedis, *numbers: int) -> list[str]:
    await accept(redis, *(sample(number) for number in numbers))
    async with taker() as refusing, working(server, rules=TO_CRM, channels=crm(refusing.url)):
        refusing.status, refusing.answer = 400, "we know no ada@example.com"
        await settled(redis)
    return [letter.id for letter in await all_letters(redis)]


_MAIN = """
import sys
from tests.inspector.command_line import Standing, app
app(sys.argv[2:], obj=Standing(sys.argv[1]))
"""


def command(server: RedisServer, *arguments: str) -> list[str]:
    return [sys.executable, "-c", _MAIN, server.url, *arguments]
