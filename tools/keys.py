"""Writes docs/keys.md from the declarations of the keys: `python -m tools.keys`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from broker.redis.declared_keys.key import Home
from broker.redis.keys import DECLARED, Names
from tools.configuration import docstrings

FILE = Path(__file__).parents[1] / "docs" / "keys.md"
ROOT = FILE.parents[1]

HEAD = """\
# Keys in Redis

Every key that Hookline reads or writes. `make docs` writes this page from
[broker/redis/declared_keys](../broker/redis/declared_keys), and a test compares it with the keys that a run
leaves.

Read these keys as you like, and change none:
[what happens then](operations.md#when-another-program-writes-into-hooklines-keys). `hookline doctor` names keys
that do not belong there, and keys that lack their expiry.

**Names.** Each begins with the prefix of its partition, `{namespace:partition}:`, by default `{hookline:0}:`. What
stands in braces after that differs from key to key. So the length of the queue is `ZCARD {hookline:0}:queue`.

**Written by** the receiver, the worker, or the inspector. Here the inspector includes its commands, such as
`hookline dead` and `hookline channel`.

**Partition.** With several [partitions](architecture.md#partitions), most keys are in *each* of them, with what
belongs there. *Control* keys are in partition 0 only. A *hash* key is in the one partition that the hash of its
identity, digest, subject or channel names.

**Expires after.** Redis removes the key so long after it was last used. A key without this time is state to keep:
the last column says how much of it there is, or when it ends.
"""
PARTITIONS: dict[Home, str] = {
    "each partition": "each",
    "control partition": "control",
    "partition of its hash": "hash",
}
_FILE = re.compile(r"\b(?:broker|worker|receiver)/[\w/]+(?:\.\w+)?")


def document() -> str:
    """Return the text of the whole page."""
    return "\n".join([HEAD, *_table(), ""])


def _table() -> Iterator[str]:
    yield "| Key | Type | Meaning | Written by | Partition | Expires after | Bound |"
    yield "|---|---|---|---|---|---|---|"
    meanings = docstrings(Names)
    for field, declared in DECLARED.items():
        written_by = re.sub(r"hookline redis \S+", r"`\g<0>`", declared.written_by)
        cells = (
            f"`{declared.pattern}`",
            declared.type,
            _FILE.sub(_link, meanings[field]),
            written_by,
            PARTITIONS[declared.home],
            _settings(declared.expires),
            _settings(declared.bound),
        )
        yield f"| {' | '.join(cells)} |"


def _link(match: re.Match[str]) -> str:
    return f"[{match[0]}](../{match[0]})"


def _settings(text: str) -> str:
    """Mark the names of settings as code."""
    return re.sub(r"\b[a-z]+\.[a-z_]+\b", r"`\g<0>`", text)


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
