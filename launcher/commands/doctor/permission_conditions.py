"""Says what could not be checked because of the permissions of the Redis user. Pure, no I/O.

The parts of an installation may have a user each. If the doctor runs as one of them, that is no fault.
"""

from __future__ import annotations

from collections.abc import Iterator

from broker.redis.error_reasons import denied_command
from launcher.commands.doctor.facts import PartitionFacts
from launcher.commands.doctor.finding import Finding, warning

_OTHER_PARTS = {
    "receiver": "the permissions of the worker and the inspector",
    "worker": "the permissions of the inspector",
    "reader": "writes, which installation has the namespace, and the permissions of all other parts",
}
_USERS = {"receiver": "that of the receiver", "worker": "that of the worker", "reader": "one that only reads"}
_RUN_AS_INSPECTOR = "run the doctor with the user of the inspector: docs/redis.md"


def user_findings(user_of: str) -> Iterator[Finding]:
    """Return what is unknown because the Redis user is the documented one of a part that may do less.

    user_of: the part, or "" for a user of another kind.
    """
    if user_of:
        yield warning(
            "permissions",
            f"cannot check {_OTHER_PARTS[user_of]}, because this Redis user is {_USERS[user_of]}",
            _RUN_AS_INSPECTOR,
        )


def status_findings(refused: str) -> Iterator[Finding]:
    """Return what is unknown without the status. refused: why it was refused; "" if it was not."""
    if refused:
        yield _unchecked("queue, workers, channels, spilled webhooks, counters and alerts", refused)


def partition_refusals(partition: PartitionFacts) -> Iterator[Finding]:
    """Return what this user may not read of a partition."""
    for what, refused in partition.refused.items():
        yield _unchecked(what, refused)


def _unchecked(what: str, refused: str) -> Finding:
    command = denied_command(refused)
    reason = f"may not run {command}" if command else "may not read all that this takes"
    grant = f", or allow it: +{command.lower().replace(' ', '|')}" if command else ""
    return warning(
        "permissions", f"cannot check {what}, because the Redis user {reason}", f"{_RUN_AS_INSPECTOR}{grant}"
    )
