"""Explains the errors of Redis: what is wrong, and how to fix it. This module has no I/O."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

MAX_ANSWER = 300
"""How many characters of a Redis error are shown."""

CLUSTER = (
    "this is a node of a Redis Cluster: write redis+cluster:// in redis.url instead of redis:// "
    "(rediss+cluster:// instead of rediss://)"
)

SLOT_MOVED = "slot moved"
SLOT_BEING_MOVED = "slot being moved"
SLOT_AWAY = "slot away"
"""How the errors of broker/redis/primary/cluster.py begin: they hide where in the cluster the keys are."""


class ErrorExplanation(Struct, frozen=True):
    """The explanation of an error of Redis."""

    text: str
    """The text for the operator: what is wrong, and how to fix it."""

    brief: str
    """The text for everyone. It has no names of users, hosts or settings."""

    kind: Literal["full", "passing", "lasting", "forbidden", "layout"] = "passing"
    """`full` if Redis is out of memory, `passing` if waiting may help, `lasting` if a person must fix it,
    `forbidden` if the fix is a permission of the Redis user, and `layout` if Redis has another number of
    partitions."""


def explain(said: str, *, is_login: bool = False) -> ErrorExplanation | None:
    """Return the explanation of an error of Redis, or None for an unknown error.

    is_login: True for the error of a login.
    """
    if is_login:
        return _of_login(said)
    for pattern, explanation in _KNOWN:
        if pattern.search(said):
            return explanation
    return _of_permission(said)


def tls_advice(said: str) -> str:
    """Return how to fix a connection that failed because of TLS; "" for other reasons."""
    return next((advice for pattern, advice in _TLS if pattern.search(said)), "")


def denied_command(said: str) -> str:
    """Return the command that the user may not run, in upper case; "" for an error about something else."""
    match = _COMMAND.search(said)
    return match[1].upper().replace("|", " ") if match else ""


def is_key_denied(said: str) -> bool:
    """Return True if an error says that the user may not access a key."""
    return _KEYS.search(said) is not None


def _of_login(said: str) -> ErrorExplanation:
    brief = "Redis refuses the login"
    if "Authentication required" in said or "NOAUTH" in said:
        return ErrorExplanation(f"{brief}: it needs a password; add it to redis.url", brief, "lasting")
    return ErrorExplanation(f"{brief}: check the user and the password in redis.url", brief, "lasting")


def _of_permission(said: str) -> ErrorExplanation | None:
    lacks = "the Redis user lacks a permission"
    command = denied_command(said)
    if command:
        rule = f"+{command.lower().replace(' ', '|')}"
        text = f"the Redis user may not run {command}: allow it with ACL SETUSER ({rule})"
        return ErrorExplanation(text, lacks, "forbidden")
    if is_key_denied(said):
        text = "the Redis user may not use a key of Hookline: allow its keys with ACL SETUSER (~pattern)"
        return ErrorExplanation(text, lacks, "forbidden")
    if _COMMANDS.search(said):
        return ErrorExplanation(
            "the Redis user may not run a command that a script uses: run `hookline check` to see which one",
            lacks,
            "forbidden",
        )
    return None


_COMMAND = re.compile(r"no permissions to run the '([\w|]+)' command", re.IGNORECASE)
_COMMANDS = re.compile(r"can't run this command|no permissions to run")
_KEYS = re.compile(r"no permissions to access|can't access at least one of the keys", re.IGNORECASE)

_NO_WRITES = "Redis does not accept writes"


def _known(
    pattern: str, text: str, brief: str, kind: Literal["full", "passing", "lasting", "layout"] = "passing"
) -> tuple[re.Pattern[str], ErrorExplanation]:
    return re.compile(pattern), ErrorExplanation(text, brief, kind)


_KNOWN = (
    _known(
        r"WRONGLAYOUT",
        "Redis has another number of partitions than redis.partitions, or is being repartitioned: wait until "
        "`hookline redis repartition` has ended, and start again with the number that Redis has then",
        "Redis has another number of partitions",
        "layout",
    ),
    _known(
        r"PARTITIONREMOVED",
        "this partition was removed by `hookline redis repartition`: restart this process with the number of "
        "partitions that Redis has now",
        "a partition was removed",
    ),
    _known(
        SLOT_BEING_MOVED,
        "the slot of this partition is being moved to another node of the cluster: wait until that is done",
        "Redis moves its data to another node",
    ),
    _known(
        SLOT_MOVED,
        "the slot of this partition has moved to another node of the cluster",
        "Redis has moved its data to another node",
    ),
    _known(
        SLOT_AWAY,
        "no node of the cluster serves the slot of this partition now",
        "a part of the Redis Cluster is down",
    ),
    _known(
        r"cluster support disabled",
        "this is no node of a Redis Cluster: write redis:// instead of redis+cluster:// in redis.url",
        "this is no node of a Redis Cluster",
        "lasting",
    ),
    _known(
        r"\b(MOVED|ASK) \d|CROSSSLOT|CLUSTERDOWN|cluster is down|non local key|slot not served|same slot",
        CLUSTER,
        CLUSTER,
        "lasting",
    ),
    _known(
        r"OOM command not allowed|used memory > 'maxmemory'",
        "Redis is full and refuses writes: raise maxmemory, or add workers",
        "Redis is full",
        "full",
    ),
    _known(
        r"MISCONF",
        f"{_NO_WRITES} because it cannot save to its disk (MISCONF): see its log for the reason",
        f"{_NO_WRITES} because it cannot save to its disk",
    ),
    _known(
        r"READONLY|is a replica|against a read only replica",
        f"{_NO_WRITES} because it is a read-only replica: point redis.url at the primary",
        f"{_NO_WRITES} because it is a replica",
    ),
    _known(
        r"LOADING|loading the dataset",
        "Redis is loading its data and accepts commands when that is done",
        "Redis is loading its data",
    ),
    _known(
        r"NOREPLICAS|not enough good replicas",
        f"{_NO_WRITES} because too few replicas are connected (min-replicas-to-write)",
        f"{_NO_WRITES} because too few replicas are connected",
    ),
    _known(r"MASTERDOWN", f"{_NO_WRITES} because its primary is down", _NO_WRITES),
    _known(r"UNBLOCKED|\bBUSY\b|TRYAGAIN", f"{_NO_WRITES} because it is busy", _NO_WRITES),
    _known(
        r"unknown command",
        "this Redis lacks a command that is needed: use Redis 6.2 or later, or Valkey, and do not rename commands",
        "Redis refused a command",
        "lasting",
    ),
)

_TLS = tuple(
    (re.compile(pattern, re.IGNORECASE), advice)
    for pattern, advice in (
        (
            r"CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE",
            "Redis asks for a client certificate; set redis.tls_cert_file and redis.tls_key_file",
        ),
        (
            r"(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|DECRYPT_ERROR)",
            "Redis does not accept the client certificate; check redis.tls_cert_file",
        ),
        (
            r"certificate verify failed",
            "the certificate of Redis is not trusted; set redis.tls_ca_file, or see redis.tls_verify",
        ),
        (
            r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE",
            "Redis does not speak TLS there; write redis:// instead of rediss://",
        ),
    )
)
