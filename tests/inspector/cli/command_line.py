"""Runs the inspector's commands in this process or in another one."""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import typer
from typer.testing import CliRunner

from broker.dead_letters import StoredDeadLetter
from broker.monitoring.spilled import Spilled
from broker.redis.client import Client
from broker.redis.confirmation import Durability
from broker.redis.connection import Settings
from inspector import cli
from inspector.operations.action_steps.verb_steps import DryRun
from inspector.privacy.masking import Masking
from inspector.settings import DeadSettings
from launcher.composition.dead_letter_terms import buckets, terms
from launcher.composition.dry_runs import dry_run
from launcher.config.config import read
from sources.settings import Settings as SourceSettings
from tests.inspector.stack import (
    TO_CRM,
    accept,
    all_letters,
    crm,
    running_receiver,
    running_worker,
    sample,
    wait_until_idle,
)
from tests.redis_server import RedisServer

app = typer.Typer()
app.add_typer(cli.dead, name="dead")
app.add_typer(cli.channel, name="channel")
app.add_typer(cli.waiting, name="waiting")
app.add_typer(cli.groups, name="groups")
app.command("status")(cli.status)
app.command("audit")(cli.audit)
app.command("events")(cli.events)
app.registered_commands += cli.forget.registered_commands


NOTIFYING: dict[str, Any] = {
    "channels": {"crm": {"kind": "http", "url": "http://127.0.0.1:9/", "allow_private": True}},
    "rules": [{"name": "to-crm", "events": ["*"], "channel": "crm"}],
}


class CommandContext:
    """The `ctx.obj` that launcher passes to commands."""

    def __init__(
        self,
        url: str,
        on_disk: dict[str, Spilled] | None = None,
        config: Mapping[str, Any] | None = None,
        partitions: int = 1,
    ) -> None:
        self.url = url
        self.partitions = partitions
        self.on_disk = on_disk or {}
        self.config = read({**NOTIFYING, **(config or {})}, {})

    def redis(self) -> Settings:
        return Settings(url=self.url, partitions=self.partitions)

    def spilled(self) -> dict[str, Spilled]:
        return self.on_disk

    def dry_run(self) -> DryRun:
        return dry_run(self.config)

    def masking(self) -> Masking:
        return Masking(self.config.inspector.masked_paths, self.config.inspector.shown_paths)

    def user(self) -> str:
        return "cli:ann@desk"

    def writes_history(self) -> bool:
        return self.config.history.is_on

    def search_terms(self) -> Callable[[StoredDeadLetter], Sequence[str]]:
        return terms(self.sources())

    def event_bucket(self) -> Callable[[StoredDeadLetter], int | None]:
        return buckets(self.sources())

    def durability(self) -> Durability:
        return Durability()

    def retention(self) -> DeadSettings:
        return self.config.dead

    def channels(self) -> list[str]:
        return ["console", "crm"]

    def sources(self) -> dict[str, SourceSettings]:
        return {"voucherify": SourceSettings()}


async def hookline(
    server: RedisServer | str,
    *arguments: str,
    columns: int = 80,
    config: Mapping[str, Any] | None = None,
    stdin: str = "",
    partitions: int = 1,
) -> Any:
    """Run a command in a thread, as it starts an event loop of its own. server: the Redis, or its URL."""
    call: Any = CliRunner(env={"COLUMNS": str(columns), "TERM": "dumb"}).invoke
    url = server if isinstance(server, str) else server.url
    context = CommandContext(url, config=config, partitions=partitions)
    result = await asyncio.to_thread(call, app, list(arguments), obj=context, input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


async def refused_by_crm(server: RedisServer, redis: Client, *numbers: int) -> list[str]:
    await accept(redis, *(sample(number) for number in numbers))
    async with running_receiver() as refusing, running_worker(server, rules=TO_CRM, channels=crm(refusing.url)):
        refusing.status, refusing.answer = 400, "we know no ada@example.com"
        await wait_until_idle(redis)
    return [letter.id for letter in await all_letters(redis)]


_MAIN = """
import sys
from tests.inspector.cli.command_line import CommandContext, app
app(sys.argv[2:], obj=CommandContext(sys.argv[1]))
"""


def command(server: RedisServer, *arguments: str) -> list[str]:
    return [sys.executable, "-c", _MAIN, server.url, *arguments]
