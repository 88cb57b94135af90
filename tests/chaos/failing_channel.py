"""A run with every kind of channel, in alternating turns: with and without a failing channel besides them."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import msgspec
from msgspec import Struct

from broker import dead_letters
from broker.dead_letters import DeadLetter
from broker.monitoring import stats
from broker.monitoring.stats import Totals
from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from tests.chaos import sinks
from tests.chaos.events import KIND, SECRET, number_in, request_with
from tests.chaos.installation import free_ports, listens
from tests.chaos.sender import Pace, Sender
from tests.chaos.sinks import CONSOLE, DELIVERIES, FILE, OK, PORTS, Delivery
from tests.launcher.running import environment
from tests.leash import leashed
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.until import until

EVENTS = {
    "http": "*",
    "email": "customer.voucher.loyalty_card.points_added",
    "apprise": "customer.rewarded",
    "python": "customer.order.paid",
    "file": "customer.segment.entered",
    "console": "customer.created",
}
"""Events of each healthy channel: one gets all, as the failing one does, the others a fifth each."""

HEALTHY = tuple(EVENTS)
_NAMES = tuple(name for name in EVENTS.values() if name != "*")
WITHOUT, WITH = "without", "with"
"""The sources: the rules of all healthy channels are for both, that of the failing one is for the second."""

ATTEMPTS = 3
"""Attempts of the failing channel: few, so that some of its notifications use them up."""

_WARM_UP = 64
_AT_REST_WITHIN_S = 120.0

_CONFIG = """
[redis]
url = "{redis}"
[receiver]
port = {receiver}
[worker]
processes = 2
[sources.without]
kind = "voucherify"
[sources.with]
kind = "voucherify"
[log]
level = "warning"
format = "json"

[channels.http]
kind = "http"
url = "http://127.0.0.1:{http}/"
allow_private = true
[channels.email]
kind = "email"
host = "127.0.0.1"
port = {email}
security = "none"
sender = "shop@example.com"
[channels.apprise]
kind = "apprise"
[channels.python]
kind = "python"
target = "notify_function:record_notification"
[channels.file]
kind = "file"
path = "{file}"
[channels.failing]
kind = "http"
url = "http://127.0.0.1:{failing}/"
allow_private = true
timeout_s = 1
retry = {{ attempts = {attempts}, base_s = 0.5, cap_s = 2 }}
breaker = {{ wait_s = 0.5, max_wait_s = 2 }}

[[rules]]
name = "failing"
events = ["*"]
sources = ["with"]
channel = "failing"
text = "{text}"
"""
_RULE = """
[[rules]]
name = "{channel}"
events = ["{events}"]
channel = "{channel}"
to = "member@example.com"
subject = "{text}"
text = "{text}"
"""
_TEXT = "{{ transaction.source_id }} {{ transaction.created_at }}"

# The target of the python channel is the function itself.
_NOTIFY_FUNCTION = """
import os
from tests.chaos.sinks import DELIVERIES, line_of
record = os.open(DELIVERIES, os.O_WRONLY | os.O_APPEND)
async def record_notification(notification, key):
    os.write(record, line_of("python", notification.text, key))
"""


class Turn(Struct, frozen=True):
    """Events that were sent to one source, one after another."""

    source: str
    numbers: range


class Report(Struct, frozen=True, kw_only=True):
    """The data of a run."""

    turns: list[Turn]
    """Turns; the first two only warm up."""
    deliveries: list[Delivery]
    letters: dict[int, DeadLetter]
    """Times by the number of the event."""
    totals: Totals
    tries: Counter[str]
    """Attempts by channel, with those that reached no target."""
    refused: int
    """Attempts while no process listened."""
    answers: dict[int, int]
    failures: list[str]
    """Errors that the worker logged."""

    @property
    def events(self) -> int:
        return sum(len(turn.numbers) for turn in self.turns)

    def numbers(self, source: str) -> set[int]:
        return {number for turn in self.turns if turn.source == source for number in turn.numbers}

    def expected(self, channel: str) -> set[int]:
        """Return the events that a healthy channel is notified of."""
        return {number for number in range(self.events) if EVENTS[channel] in ("*", _name(number))}

    def accepted(self, channel: str) -> Counter[int]:
        return Counter(one.number for one in self.deliveries if (one.channel, one.how) == (channel, OK))

    def ratio(self, channel: str) -> float:
        """Return how much slower p99 is with the failing channel: the median of adjacent turns, against noise."""
        p99_s = [percentile(took, 0.99) for took in self.took_s(channel)[2:]]
        return median(failing / healthy for healthy, failing in zip(p99_s[::2], p99_s[1::2], strict=True))

    def took_s(self, channel: str) -> list[list[float]]:
        """Return the times from the creation of a webhook to its delivery, sorted, for each turn."""
        taken = {one.number: one.at_s - one.sent_s for one in self.deliveries if one.channel == channel}
        return [sorted(taken[number] for number in turn.numbers if number in taken) for turn in self.turns]


def percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, math.floor(share * len(ordered)))]


async def run(directory: Path, *, events: int, pairs: int, pace: Pace) -> Report:
    """Send `events` with the failing channel and as many without, in `pairs` of turns."""
    each = events // pairs
    sizes = [_WARM_UP, _WARM_UP, *[each] * (2 * pairs)]
    turns: list[Turn] = []
    answers: Counter[int] = Counter()
    async with _running(directory) as (port, redis):
        for place, size in enumerate(sizes):
            first = turns[-1].numbers.stop if turns else 0
            turns.append(Turn((WITHOUT, WITH)[place % 2], range(first, first + size)))
            sender = Sender(port, pace, random.Random(place), _requests(turns[-1]))
            await sender.run(lambda number, size=size: number < size)  # type: ignore[misc]
            answers += sender.answers
            events_so_far = turns[-1].numbers.stop
            await until(lambda so_far=events_so_far: _is_at_rest(redis, so_far), seconds=_AT_REST_WITHIN_S)  # type: ignore[misc]
        letters, totals = await _letters(redis), await stats.read_totals(redis)
        await until(lambda: _all_is_read(directory, totals))
    logged = [msgspec.json.decode(line) for line in (directory / "log").read_bytes().splitlines()]
    failed = [one for one in logged if one["action"] == "notification_failed"]
    deliveries = sinks.read(directory)
    tries = Counter(one.channel for one in deliveries if one.how in (OK, "400"))
    return Report(
        turns=turns,
        deliveries=deliveries,
        letters=letters,
        totals=totals,
        tries=tries + Counter(one["channel"] for one in failed),
        refused=sum("Cannot connect" in one["message"] for one in failed),
        answers=dict(answers),
        failures=[one["message"] for one in logged if one["level"] in _LEVELS and one["action"] not in _EXPECTED],
    )


_LEVELS = ("warning", "error")
_EXPECTED = ("notification_failed", "notification_dead", "channel_state", "alert")


def _name(number: int) -> str:
    return _NAMES[number % len(_NAMES)]


def _requests(turn: Turn) -> Callable[[int], bytes]:
    def request(place: int) -> bytes:
        number = turn.numbers[place]
        return request_with(KIND.sample(number, _name(number)), f"/webhooks/{turn.source}")

    return request


async def _is_at_rest(redis: Client, events: int) -> bool:
    totals = await stats.read_totals(redis)
    return totals.processed >= events and not totals.queued and not totals.waiting


def _all_is_read(directory: Path, totals: Totals) -> bool:
    """Return True when all lines of files and consoles are read, which is a little after they are written."""
    return (directory / DELIVERIES).read_bytes().count(b" ok\n") >= totals.sent


async def _letters(redis: Client) -> dict[int, DeadLetter]:
    letters: dict[int, DeadLetter] = {}
    for letter_id in await redis.zrange(KEYS.dead_index, 0, -1):
        stored_letter = await dead_letters.get(redis, letter_id.decode())
        assert stored_letter is not None, letter_id
        number = number_in(stored_letter.body)
        assert number not in letters
        letters[number] = stored_letter.letter
    return letters


@asynccontextmanager
async def _running(directory: Path) -> AsyncIterator[tuple[int, Client]]:
    """Start everything and yield (the receiver's port, Redis); kill it at the end."""
    server = RedisServer(directory).start()
    processes: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, output: str = "log", **variables: str) -> subprocess.Popen[bytes]:
        with (directory / output).open("ab") as stdout, (directory / "log").open("ab") as stderr:
            processes.append(
                subprocess.Popen(
                    leashed([sys.executable, "-m", *arguments]),
                    cwd=directory,
                    env=environment(**variables),
                    stdin=subprocess.PIPE,
                    stdout=stdout,
                    stderr=stderr,
                )
            )
        return processes[-1]

    redis = connect(Settings(url=server.url))
    try:
        start("tests.chaos.sinks", str(directory))
        await until((directory / PORTS).exists)
        ports = msgspec.json.decode((directory / PORTS).read_bytes(), type=dict[str, int])
        (port,) = free_ports(1)
        (directory / "notify_function.py").write_text(_NOTIFY_FUNCTION)
        rules = [_RULE.format(channel=channel, events=name, text=_TEXT) for channel, name in EVENTS.items()]
        config = _CONFIG.format(redis=server.url, receiver=port, file=FILE, attempts=ATTEMPTS, text=_TEXT, **ports)
        (directory / "hookline.toml").write_text("".join([config, *rules]))
        variables = {
            f"HOOKLINE_SOURCES_{source.upper()}_SECRETS": SECRET.reveal().decode() for source in (WITHOUT, WITH)
        }
        variables["HOOKLINE_CHANNELS_APPRISE_URL"] = f"json://127.0.0.1:{ports['apprise']}/"
        start("launcher", "receiver", **variables)
        # Each failed attempt is logged at debug only.
        start("launcher", "worker", output=CONSOLE, **variables, HOOKLINE_LOG_LEVEL="debug")
        await until(lambda: listens(port), seconds=30)
        yield port, redis
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(timeout=30)
            assert process.stdin is not None
            process.stdin.close()
        await redis.aclose(close_connection_pool=True)
        server.kill()
