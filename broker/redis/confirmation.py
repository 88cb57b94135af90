"""How Redis confirms a write before the write counts as accepted."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct
from redis.exceptions import NoScriptError, ResponseError

from broker.redis.client import Client
from broker.redis.errors import NotDurable
from broker.redis.scripting.scripts import Script
from broker.redis.server.facts import STOPPED_AOF, ServerFacts

_WAIT_MS = 3000
_MOMENT_MS = 200


_INSTEAD_OF_WAIT = '= "memory" (202 then means that Redis has the webhook in memory)'


class Durability(Struct, frozen=True):
    """The durability of webhooks, as the settings of the receiver name it."""

    name: Literal["memory", "fsync", "replicated"] = "memory"
    replicas: int = 1
    """The number of replicas that must confirm `replicated`."""

    def waits_for(self) -> int:
        """Return for how many replicas outcomes wait a moment; 0 unless webhooks wait for replicas too."""
        return self.replicas if self.name == "replicated" else 0


class Confirmation(Struct, frozen=True):
    """The commands that follow a write. There are none for `memory`, or if Redis syncs before each reply."""

    wait_aof: bool = False
    """Use WAITAOF: wait for the disk of this server and for those of `replicas`. Needs Redis 7.2 or later."""

    replicas: int = 0
    """The number of replicas to wait for. Without `wait_aof`, WAIT waits for their memory."""

    def add_to(self, pipe: Any) -> None:
        """Add the commands to the pipeline of the write."""
        # Both commands wait only for the writes of their own connection.
        if self.wait_aof:
            pipe.execute_command("WAITAOF", 1, self.replicas, _WAIT_MS)
        elif self.replicas:
            pipe.execute_command("WAIT", self.replicas, _WAIT_MS)

    def commands(self) -> tuple[str, ...]:
        """Return the commands that `add_to` adds, to check whether the Redis user may run them."""
        if self.wait_aof:
            return (f"WAITAOF 1 {self.replicas} {_WAIT_MS}",)
        return (f"WAIT {self.replicas} {_WAIT_MS}",) if self.replicas else ()

    def refusal(self) -> str:
        """Return what it means that Redis refuses a command of `add_to`, and how to fix it."""
        if not self.wait_aof:
            return (
                'Redis refuses WAIT, so durability "replicated" cannot be confirmed: allow it (+wait), or set '
                f"receiver.durability {_INSTEAD_OF_WAIT}"
            )
        durability = "replicated" if self.replicas else "fsync"
        return (
            f'Redis refuses WAITAOF, so durability "{durability}" cannot be confirmed: allow it (+waitaof); or '
            "set appendfsync always and allow CONFIG GET (+config|get); or set receiver.durability "
            f'{_INSTEAD_OF_WAIT}; or set redis.persistence = "managed" (202 then means that Redis replied, and '
            "you trust the platform to keep the data)"
        )

    def check(self, replies: list[Any]) -> None:
        """Raise NotDurable if Redis confirmed less than requested. replies: of a pipeline with the commands."""
        if self.commands() and isinstance(replies[-1], ResponseError):
            raise NotDurable(f"{self.refusal()} (Redis: {replies[-1]})", brief=self.refusal())
        if self.wait_aof:
            local, replicas = replies[-1]
            if local < 1 or replicas < self.replicas:
                raise NotDurable(f"synced to {local} local and {replicas} replica disks of 1 and {self.replicas}")
        elif self.replicas and replies[-1] < self.replicas:
            raise NotDurable(f"{replies[-1]} of {self.replicas} replicas confirmed")


_BY_THE_REPLY = Confirmation()


def confirmation_for(facts: ServerFacts, durability: str, replicas: int) -> Confirmation:
    """Return how this server confirms a durability of `memory`, `fsync` or `replicated`.

    replicas: how many must confirm `replicated`. Raises NotDurable if the server cannot do it.
    """
    if durability == "memory":
        return Confirmation()
    wanted = replicas if durability == "replicated" else 0
    if facts.aof is False and facts.persistence == "checked":
        if facts.has_stopped_aof:
            raise NotDurable(f'durability "{durability}" is not possible now: {STOPPED_AOF}')
        raise NotDurable(f'durability "{durability}" needs Redis to log to disk: set appendonly yes')
    if facts.aof is False and facts.persistence == "none" and not wanted:
        raise NotDurable(
            'durability "fsync" needs Redis to log to disk, and redis.persistence is "none": set '
            'receiver.durability = "memory", or appendonly yes in Redis'
        )
    if facts.replicas is not None and facts.replicas < wanted:
        raise NotDurable(f'durability "replicated" needs {wanted} replicas, Redis has {facts.replicas} connected')
    # The platform answers for the disk, and without a log there is no disk to wait for.
    if facts.persistence == "managed" or facts.aof is False or facts.fsync == "always":
        return Confirmation(replicas=wanted)
    if facts.version and facts.version < (7, 2):
        unknown = "" if facts.fsync else ", which cannot be read: allow CONFIG GET (+config|get)"
        raise NotDurable(f'durability "{durability}" needs appendfsync always on {facts.name()}{unknown}')
    return Confirmation(wait_aof=True, replicas=wanted)


async def confirmed(redis: Client, confirmation: Confirmation, script: Script, /, **arguments: Any) -> Any:
    """Run a script and wait for its confirmation, in one round trip. Raises NotDurable."""
    words = script.words(redis.names, arguments)
    try:
        return await _confirmed(redis, confirmation, ["EVALSHA", script.sha, *words])
    except NoScriptError:
        # With SCRIPT LOAD and EVALSHA, the keys could move to a server without the script in between.
        return await _confirmed(redis, confirmation, ["EVAL", script.text, *words])


async def replicated(redis: Client, replicas: int, script: Script, /, **arguments: Any) -> tuple[Any, bool]:
    """Run a script, and wait a moment until replicas have its changes, so that few are lost in a failover.

    replicas: how many; with 0 this only runs the script. Returns its result, and whether they have the changes.
    They do not, for example, if the server was frozen and another one has become the primary meanwhile.
    """
    if not replicas:
        return await script(redis, **arguments), True
    words = script.words(redis.names, arguments)
    try:
        return await _replicated(redis, replicas, ["EVALSHA", script.sha, *words])
    except NoScriptError:
        return await _replicated(redis, replicas, ["EVAL", script.text, *words])


async def _replicated(redis: Client, replicas: int, command: list[Any]) -> tuple[Any, bool]:
    async with redis.pipeline(transaction=False) as pipe:
        pipe.execute_command(*command)
        pipe.execute_command("WAIT", replicas, _MOMENT_MS)
        reply, count = await pipe.execute(raise_on_error=False)
    if isinstance(reply, Exception):
        raise reply
    return reply, isinstance(count, int) and count >= replicas


async def _confirmed(redis: Client, confirmation: Confirmation, command: list[Any]) -> Any:
    if confirmation == _BY_THE_REPLY:
        return await redis.execute_command(*command)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.execute_command(*command)
        confirmation.add_to(pipe)
        replies = await pipe.execute(raise_on_error=False)
    if isinstance(replies[0], Exception):
        raise replies[0]
    confirmation.check(replies)
    return replies[0]
