"""Bodies that are meant to break a worker: each becomes a dead letter, and affects nothing else."""

from collections.abc import Callable

from broker import dead_letters
from broker.redis.client import Client
from tests.sink import Sink
from tests.worker.conftest import POINTS_ADDED, send, wait_until_idle, webhook
from tests.worker_process import RULES, Parts, WorkerProcess
from worker.rules.rules import Rule

Start = Callable[..., WorkerProcess]
MIB = 1024 * 1024


def with_points(points: bytes) -> bytes:
    """Return a valid webhook with one unusual number."""
    body = webhook(7)
    assert body.count(b'"points":40') >= 1
    return body.replace(b'"points":40', b'"points":' + points)


POISONS = {
    "100,000 levels": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "deep"),
    "100,000 open levels": (b"[" * 100_000, "deep"),
    "only white space": (b" " * MIB, ""),
    "a number of 100,000 digits": (with_points(b"9" * 100_000), ""),
    "a number too large for a float": (with_points(b"1e400"), ""),
    "bad UTF-8 in a value": (webhook(8).replace(b'"name":"', b'"name":"\xff'), "UTF-8"),
    "half a surrogate pair": (b'{"a":"\\ud800"}', ""),
    "NUL": (b"\x00" * 100, ""),
    "UTF-16": (webhook(10).decode().encode("utf-16"), "UTF-8"),
    "nothing": (b"", ""),
}


async def test_each_poisonous_body_is_a_dead_letter_of_its_own_and_its_batch_mates_are_notified(
    redis: Client, sink: Sink, worker: Start
) -> None:
    mates = [webhook(100 + n) for n in range(len(POISONS))]
    bodies = [body for (poison, _), mate in zip(POISONS.values(), mates, strict=True) for body in (poison, mate)]
    await send(redis, *bodies)
    process = worker()
    totals = await wait_until_idle(redis)
    assert process.alive
    assert (totals.processed, totals.dead_at_intake) == (len(mates), len(POISONS))
    assert len(sink.times) == totals.sent == len(mates)
    stored_letters = [await dead_letters.get(redis, letter.id) for letter in await dead_letters.newest(redis)]
    errors = {
        stored_letter.body: (stored_letter.letter.reason, stored_letter.letter.error)
        for stored_letter in stored_letters
        if stored_letter
    }
    for name, (body, word) in POISONS.items():
        reason, error = errors[body]
        assert reason == "undecodable", name
        assert error and word in error and len(error) < 300, (name, error)


async def test_what_is_odd_and_yet_json_is_an_event(redis: Client, sink: Sink, worker: Start) -> None:
    odd = [
        webhook(1) + b" " * (MIB - len(webhook(1))),
        webhook(2).replace(b'{"', b'{"data":null,"', 1),  # a key twice: the last one counts
        webhook(3).replace(b'"name":"', b'"name":"\\u0000\\ud83d\\ude00'),
        b"\xef\xbb\xbf" + webhook(4),
    ]
    await send(redis, *odd)
    worker()
    totals = await wait_until_idle(redis)
    assert (totals.processed, totals.sent, len(sink.times)) == (4, 4, 4)


async def test_a_template_that_would_never_end_or_fill_the_memory_costs_only_its_own_notification(
    redis: Client, worker: Start
) -> None:
    texts = {
        "for ever": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "long": "{{ '-' * (balance.points * 10 ** 9) }}",
        "growing": "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
        "calls": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(99) }}",
        "missing": "{{ absent.name }}",
        "wrong": "{{ balance.points + customer.name }}",
    }
    rules = [Rule(name=name, events=("*",), channel="sink", text=text) for name, text in texts.items()]
    never = Rule(name="when", events=("*",), channel="sink", when=f"{'9' * 9} * 'x' == 'x'", text="{{ absent }}")
    await send(redis, webhook(1), webhook(2))
    process = worker(parts=Parts(rules=(*RULES, *rules, never)), lease_s=120.0)  # longer than the lookups take
    totals = await wait_until_idle(redis, seconds=240)
    assert process.alive
    assert (totals.processed, totals.sent, totals.dead) == (2, 2, 2 * (len(texts) + 1))
    letters = await dead_letters.newest(redis)
    assert {letter.reason for letter in letters} == {"render"}
    errors = {letter.rule: letter.error for letter in letters}
    assert "loop iterations and calls" in errors["for ever"] and "loop iterations" in errors["calls"]
    assert "more than" in errors["long"] and "more than" in errors["growing"]
    assert "absent" in errors["missing"]
    assert "TypeError" in errors["wrong"]


async def test_a_batch_of_poison_alone_leaves_the_next_one_unharmed(redis: Client, worker: Start) -> None:
    worker()
    await send(redis, *(b"[" * (100_000 + n) for n in range(8)), hint=POINTS_ADDED)
    await send(redis, webhook(1))
    totals = await wait_until_idle(redis)
    assert (totals.dead_at_intake, totals.sent) == (8, 1)
