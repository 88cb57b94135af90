"""Tests of the declarations of Lua scripts: names of keys and arguments, checked against the .lua files."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

import broker
from broker.queue import stream
from broker.queue.batch import RawBody
from broker.queue.claims import _RELEASE, claim
from broker.queue.stream import Confirmation
from broker.redis.client import Client
from broker.redis.keys import Names, prefix_of
from broker.redis.scripting import lua_source
from broker.redis.scripting.scripts import BASE, FULL, Part, Script, as_text

LUA = sorted(Path(broker.__file__).parent.rglob("*.lua"))


class Pair(NamedTuple):
    first: str
    second: str


def declared() -> dict[str, Script | Part]:
    """Return all scripts and parts by name."""
    modules = [
        importlib.import_module(module.name) for module in pkgutil.walk_packages(broker.__path__, "broker.")
    ]
    units = [value for module in modules for value in vars(module).values() if isinstance(value, Script | Part)]
    return {unit.name: unit for unit in units}


def file_of(name: str, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Replace the text of a script's file."""
    read = lua_source.read
    monkeypatch.setattr(lua_source, "read", lambda other: lua_source.parse(text) if other == name else read(other))


def test_each_lua_file_is_declared_once() -> None:
    folder = Path(broker.__file__).parent
    files = {str(path.relative_to(folder)).removesuffix(".lua").replace("/lua/", "/") for path in LUA}
    assert declared().keys() == files


def test_no_folder_has_more_than_16_lua_files() -> None:
    assert max(Counter(path.parent for path in LUA).values()) <= 16


def test_no_lua_file_reads_arguments_keys_or_fields_by_position() -> None:
    for path in LUA:
        code = "\n".join(line.partition("--")[0] for line in path.read_text().splitlines())
        assert not re.findall(r"\b(?:ARGV|KEYS)\b|\w\[[0-9]+\]", code), path


def test_each_script_gets_a_real_key_of_its_partition_first() -> None:
    names = Names(prefix_of("other", 3))
    for unit in declared().values():
        if isinstance(unit, Script):
            arguments = dict.fromkeys(unit._expected, "x") | {unit._rest: [], "target": names.queue}
            values = {name: arguments[name] for name in unit._expected}
            values |= {key.argument: names.queue for key in unit.keys if not key.field}
            count, *words = unit.words(names, values)
            assert count >= 1, unit.name
            assert all(word.startswith("{other:3}:") for word in words[:count]), unit.name
            assert words[0] != names.prefix


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"owner": "me", "job": "1"}, "queue/release: missing delay_ms, forget_start"),
        (
            {"owner": "me", "job": "1", "delay_ms": 0, "forget_start": 0, "cause": "x"},
            "queue/release: unknown cause",
        ),
        (
            {"owner": "me", "job": "1", "delay_ms": 0, "forget": 0},
            "queue/release: missing forget_start; unknown forget",
        ),
    ],
)
async def test_a_missing_or_unknown_argument_raises_with_the_name_of_the_script(
    redis: Client, arguments: dict[str, object], problem: str
) -> None:
    with pytest.raises(TypeError, match=f"^{problem}$"):
        await _RELEASE(redis, **arguments)


async def test_an_argument_that_is_given_twice_or_without_a_name_raises(redis: Client) -> None:
    more = {"owner": "you"}
    with pytest.raises(TypeError):
        await _RELEASE(redis, "me")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="multiple values"):
        await _RELEASE(redis, owner="me", **more)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("return redis.call('GET', K.queue) .. job .. other", "reads names that are not declared: other"),
        ("return job .. ' other' -- other\n.. table.other(K.queue)", ""),
        ("local copy = job\nfor _, each in ipairs({ other = copy }) do return each end return K.queue", ""),
        ("return redis.call('GET', K.queue)", "declares arguments that it does not read: job"),
        ("return job", "declares keys that it does not read: queue"),
        ("return job .. K.queue .. K.stream", "reads keys that are not declared: stream"),
        ("return job .. K.queue .. P.jobs", "reads prefixes that do not exist: jobs"),
        ("return job .. K.queue .. P.stream", "reads prefixes that do not exist: stream"),
        ("return K.queue .. job[PAIR_FIRST] .. job[PAIR_THIRD]", "reads names that are not declared: PAIR_THIRD"),
        ("return K.queue .. job .. ARGV[1]", "reads names that are not declared: ARGV"),
    ],
)
def test_a_file_that_reads_other_names_than_declared_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str, problem: str
) -> None:
    file_of("queue/mine", monkeypatch, text)
    if not problem:
        Script("queue/mine", keys=("queue",), args=("job",), records={"PAIR": Pair})
        return
    with pytest.raises(ValueError, match=f"^queue/mine: {problem}$"):
        Script("queue/mine", keys=("queue",), args=("job",), records={"PAIR": Pair})


@pytest.mark.parametrize(
    ("keys", "args", "problem"),
    [
        ((), ("job",), "declares at least one key"),
        (("queues",), ("job",), "'queues' is no key"),
        (("job",), ("job",), "'job' is no key .* lacks the argument"),
        (("job:job", "job:new as job"), ("job", "new"), "declares two keys with one name: job"),
        (("job:id",), ("job",), "arguments that are not declared: id"),
        (("queue",), ("job", "job: number"), "'job: number' is declared twice"),
        (("queue",), ("job: int",), "'job: int' is declared twice, or is no argument of kind"),
        (("queue",), ("job", "now"), "names an argument like a shared function: now"),
    ],
)
def test_a_wrong_declaration_is_refused(
    monkeypatch: pytest.MonkeyPatch, keys: tuple[str, ...], args: tuple[str, ...], problem: str
) -> None:
    file_of("queue/mine", monkeypatch, "return job, now, K.queue, P.job" if keys else "return job")
    with pytest.raises(ValueError, match=problem):
        Script("queue/mine", keys=keys, args=args)


async def test_lua_gets_each_kind_of_argument_by_its_name(redis: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
        local pair = pairs_of_job
        return { job, delay_ms + 1, pair[PAIR_FIRST], pair[PAIR_SECOND], tostring(nothing), #ids, ids[#ids],
          K.target, K.in_progress, K.heir }
    """
    file_of("queue/mine", monkeypatch, text)
    script = Script(
        "queue/mine",
        parts=(FULL,),
        keys=("in_progress:job", "job:job as heir"),
        args=("job", "target: key", "delay_ms: number", "pairs_of_job: packed", "nothing: packed"),
        rest="ids",
        records={"PAIR": Pair},
    )
    names = redis.names

    reply = await script(
        redis,
        job="7",
        target=names.queue,
        delay_ms=41,
        pairs_of_job=Pair("a", as_text(b"\xff\x00")),  # type: ignore[arg-type]
        nothing=None,
        ids=["x", b"y"],
    )

    keys = [names.queue.encode(), f"{names.in_progress}7".encode(), f"{names.job}7".encode()]
    assert reply == [b"7", 42, b"a", b"\xff\x00", b"nil", 2, b"y", *keys]


async def test_a_script_that_redis_does_not_have_is_loaded(redis: Client) -> None:
    await redis.script_flush()
    assert (await claim(redis, "me", count=1, lease_ms=1000)).jobs == []


async def test_a_write_with_a_script_that_redis_does_not_have_is_confirmed_in_the_second_request(
    redis: Client,
) -> None:
    await redis.script_flush()
    await redis.config_resetstat()
    await stream.append(redis, [RawBody(0, "voucherify", "", b"{}")], Confirmation(wait_aof=True))
    calls = {name: of["calls"] for name, of in (await redis.info("commandstats")).items()}
    assert (calls["cmdstat_eval"], calls["cmdstat_waitaof"]) == (1, 2)
    assert "cmdstat_script|load" not in calls  # a slot may move between this and a further request
    assert await redis.xlen(redis.names.stream) == 1


def test_a_part_is_included_once_and_after_the_parts_that_it_calls() -> None:
    script = declared()["steps/commit"]
    names = [part.name for part in script.parts]
    assert names[0] == BASE.name
    assert len(names) == len(set(names))
