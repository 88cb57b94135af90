"""Running Lua scripts in Redis. Each script is one atomic change of several keys.

The file of a script is in the folder `lua` of its package. The Python module that calls the script declares it:

    HOLD = Script("queue/channels/hold", keys=("queue", "in_progress:job"), args=("job", "delay_ms: number"))
    await HOLD(redis, job=job_id, delay_ms=500)

Lua reads `job` and `delay_ms` as locals, and the keys as `K.queue` and `K.in_progress`. No .lua file reads KEYS or
ARGV: `Script` makes one text of the files, in which arguments are locals and each other name is replaced by its
value. That costs nothing when the script runs. A key is declared as

    "queue"             the key of that name in broker/redis/keys.py
    "in_progress:job"   the prefix of that name there, completed with the argument `job`
    "job:heir as heir"  the same, for a script with two keys of one prefix: Lua reads it as `K.heir`

and an argument as

    "job"               text or bytes
    "delay_ms: number"  a number in Lua
    "plan: packed"      any value; a call sends all packed arguments as one msgpack array. Bytes: see `as_text`
    "target: key"       the full name of a key, which Lua reads as `K.target`

`rest` is a list of texts or blobs, for example ids. Structs and tuples inside packed arguments are arrays in
Lua. `records` names their fields: `records={"JOB": QueuedJob}` gives Lua the indices `JOB_ID` and `JOB_BLOB`,
from the same class that Python packs.

A script declares all keys that its caller knows. Other keys are only known while the script runs: the job:{id}
of each job in a list or plan, the set of an identity, the counters of the current minute. The script makes their
names of `P.job` and the like, which begin with the prefix of the partition. That prefix is taken from KEYS[1],
so all keys of a call have the same hash tag, and a Redis Cluster runs the script on the node that has the keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from redis.exceptions import NoScriptError

from broker.redis.keys import Names
from broker.redis.scripting import lua_source
from broker.redis.scripting.declaration import (
    CONSTANTS,
    NAMES,
    Key,
    Records,
    check,
    indices_of,
    is_prefix,
    key_of,
    kinds_of,
)

if TYPE_CHECKING:
    from broker.redis.client import Client

_encode = msgspec.msgpack.Encoder().encode

_START = "local KEYS, ARGV = KEYS, ARGV\nlocal prefix = KEYS[1]:match('^{[^}]*}:')\n"
"""The first lines of every script."""


class Part:
    """Lua functions that several scripts share: they come before the scripts."""

    def __init__(
        self, name: str, *, parts: Sequence[Part] = (), keys: Sequence[str] = (), records: Records | None = None
    ) -> None:
        """name: `package/file`; parts: what its functions call; keys, records: as for a Script."""
        self.name, self.source = name, lua_source.read(name)
        self.parts = _with_their_parts(parts)
        self.keys = [key_of(name, text) for text in keys]
        self.records = dict(records or {})
        check(self, bound=())


class Script:
    """A script that Redis runs. Each is safe to send again after a lost connection: see its header."""

    def __init__(
        self,
        name: str,
        *,
        parts: Sequence[Part] = (),
        keys: Sequence[str] = (),
        args: Sequence[str] = (),
        rest: str = "",
        records: Records | None = None,
    ) -> None:
        """name: `package/file`, for package/lua/file.lua. Raises ValueError where the file reads other names."""
        self.name, self.source = name, lua_source.read(name)
        self.parts = _with_their_parts((BASE, *parts))
        kinds = kinds_of(name, args, rest)
        self.keys = [key_of(name, text) for text in keys]
        self.keys += [Key(argument, "", argument) for argument, kind in kinds.items() if kind == "key"]
        self.records = dict(records or {})
        check(self, bound=[argument for argument, kind in kinds.items() if kind != "key"])
        if not self.keys:
            raise ValueError(f"{name}: a script declares at least one key")
        self._expected = kinds.keys()
        self._all_keys = list(dict.fromkeys([*self.keys, *(key for part in self.parts for key in part.keys)]))
        # An argument that only completes a key is not sent apart from it.
        sent = {argument: kind for argument, kind in kinds.items() if argument in self.source.free}
        self._plain = [argument for argument, kind in sent.items() if kind in ("text", "number")]
        self._packed = [argument for argument, kind in sent.items() if kind == "packed"]
        self._numbers = {argument for argument, kind in sent.items() if kind == "number"}
        self._rest = rest
        # By prefix of the partition: most keys of a call are the same each time.
        self._templates: dict[str, tuple[list[Any], list[tuple[int, str, str]]]] = {}

    # The text is made when it is first needed: most processes run few of the scripts that they import.
    @cached_property
    def text(self) -> str:
        """The Lua that Redis runs."""
        sources = [
            _START,
            *(part.source.text for part in self.parts),
            _bindings(self._plain, self._packed, self._rest, self._numbers),
            self.source.text,
        ]
        return lua_source.with_values("".join(sources), _values(self, self._all_keys))

    @cached_property
    def sha(self) -> str:
        """The SHA-1 of the text, by which Redis knows the script."""
        return hashlib.sha1(self.text.encode()).hexdigest()  # noqa: S324 - no secret depends on it

    async def __call__(self, redis: Client, /, **arguments: Any) -> Any:
        """Run it; loads it where Redis does not know it (a new, restarted or failed-over server).

        Raises TypeError for an argument that is missing or not declared.
        """
        words = self.words(redis.names, arguments)
        try:
            return await redis.evalsha(self.sha, *words)  # type: ignore[misc]
        except NoScriptError:
            return await redis.eval(self.text, *words)  # type: ignore[misc]

    def words(self, names: Names, arguments: Mapping[str, Any]) -> list[Any]:
        """Make the words that follow the SHA-1 in EVALSHA: number of keys, keys, arguments. Raises TypeError."""
        if arguments.keys() != self._expected:
            raise TypeError(f"{self.name}: {_difference(arguments, self._expected)}")
        words, completed = self._key_words(names)
        for place, start, argument in completed:
            words[place] = start + arguments[argument] if start else arguments[argument]
        # The rest comes first: its places in ARGV then start at 1, and Lua needs no copy of it.
        if self._rest:
            words += arguments[self._rest]
        words += [arguments[name] for name in self._plain]
        if self._packed:
            words.append(_encode([arguments[name] for name in self._packed]))
        return words

    def _key_words(self, names: Names) -> tuple[list[Any], Sequence[tuple[int, str, str]]]:
        """(number of keys and keys, (place, prefix, argument) of those that an argument completes)."""
        template = self._templates.get(names.prefix)
        if template is None:
            fields = {"": ""} | vars(names)
            words = [len(self._all_keys), *(fields[key.field] for key in self._all_keys)]
            completed = [
                (place, fields[key.field], key.argument)
                for place, key in enumerate(self._all_keys, 1)
                if key.argument
            ]
            template = self._templates[names.prefix] = (words, completed)
        words, completed = template
        return words.copy(), completed


def as_text(blob: bytes) -> msgspec.Raw:
    """Bytes inside a packed argument. The msgpack of Redis has no type for bytes, but its text holds any bytes."""
    return msgspec.Raw(b"\xdb" + len(blob).to_bytes(4, "big") + blob)


class Blobs:
    """The blobs that a packed argument names by their index in the `rest` of the same call."""

    def __init__(self) -> None:
        self._places: dict[bytes, int] = {}

    def place(self, blob: bytes) -> int:
        """Add a blob, unless it was added before; its index (starts at 1)."""
        return self._places.setdefault(blob, len(self._places) + 1)

    @property
    def all(self) -> list[bytes]:
        """The blobs in the order of their indices."""
        return list(self._places)


def _with_their_parts(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Each part once, after those that it needs."""
    return tuple(dict.fromkeys(each for part in parts for each in (*part.parts, part)))


def _values(script: Script, keys: Sequence[Key]) -> dict[str, str]:
    """Return what replaces each name: of a key, a prefix, a constant of keys.py, an index of a record."""
    indices = indices_of([*script.parts, script])
    return (
        CONSTANTS
        | {name: str(index) for name, index in indices.items()}
        | {f"P.{field}": f"prefix .. {tail!r}" for field, tail in NAMES.items() if is_prefix(field)}
        | {f"K.{key.name}": f"KEYS[{place}]" for place, key in enumerate(keys, 1)}
    )


def _bindings(plain: Sequence[str], packed: Sequence[str], rest: str, numbers: Collection[str]) -> str:
    """The arguments as locals, in the order of `Script.words`."""
    count = len(plain) + bool(packed)
    places = [f"ARGV[{'rest_count + ' if rest else ''}{place}]" for place in range(1, count + 1)]
    values = [
        f"tonumber({place})" if name in numbers else place for name, place in zip(plain, places, strict=False)
    ]
    lines = []
    if rest:
        lines.append(f"local {rest}, rest_count = ARGV, #ARGV - {count}")
    if plain:
        lines.append(f"local {', '.join(plain)} = {', '.join(values)}")
    if packed:
        lines.append(f"local {', '.join(packed)} = unpack(cmsgpack.unpack({places[-1]}), 1, {len(packed)})")
    if rest and count:
        lines.append(f"{', '.join(places)} = nil")
    return "".join(f"{line}\n" for line in lines)


def _difference(arguments: Collection[str], expected: Collection[str]) -> str:
    missing, unknown = sorted(set(expected) - set(arguments)), sorted(set(arguments) - set(expected))
    problems = [
        f"{problem} {', '.join(names)}" for problem, names in (("missing", missing), ("unknown", unknown)) if names
    ]
    return "; ".join(problems)


# Part of every script.
BASE = Part("redis/base", keys=("set_aside",))
FULL = Part("redis/full", parts=(BASE,), keys=("stats_total",))
COUNTERS = Part("redis/counters", parts=(BASE,), keys=("stats_total",))
LEASE = Part("redis/lease", parts=(BASE,))
PAIRS = Part("redis/pairs", parts=(BASE,))
STREAMS = Part("redis/streams", parts=(BASE,))
