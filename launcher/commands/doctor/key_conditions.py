"""Jobs that do not end, and keys that do not belong there. Pure: it depends on the facts alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from broker.namespace.key_survey import MOST_STEPS, KeySurvey
from broker.namespace.set_aside import SHOWN, SetAside
from broker.queue.stuck_jobs import MOST_JOBS, StuckJobs
from inspector.formatting import one_line
from launcher.commands.doctor.finding import Finding, problem, warning

_NAMED = 3
"""How many keys or jobs a finding names."""


def job_findings(jobs: StuckJobs, max_deliveries: int) -> Iterator[Finding]:
    """Jobs that do not come to an end. max_deliveries: the setting of the workers."""
    if jobs.without_job:
        yield problem(
            "jobs",
            f"{_ids(jobs.without_job)} in `queue` without a job key: their notifications are lost",
            "find out what deleted the keys job:* (another program, or eviction), and replay these events at the "
            "provider; the ids leave the queue when they are due",
        )
    if jobs.leased_for_ever:
        yield problem(
            "jobs",
            f"{_ids(jobs.leased_for_ever)} with a lease that does not expire: no worker can take them",
            "find out which program changed the keys in-progress:* of these jobs, and delete these keys with "
            "redis-cli; workers then run the jobs",
        )
    if jobs.not_queued:
        yield problem(
            "jobs",
            f"{_ids(jobs.not_queued)} neither in `queue` nor held: no worker will find them",
            "find out what changed the keys queue or held:*, and then add each id to queue with redis-cli "
            "(ZADD KEY 0 ID); the job runs at once",
        )
    if jobs.restarted:
        yield warning(
            "jobs",
            f"{_ids(jobs.restarted)} started again and again without coming to an end",
            "look in the logs of the workers for what ends them (memory, a function of a python channel); after "
            f"{max_deliveries} starts the notifications become dead letters of the reason poison",
        )


def key_findings(keys: KeySurvey) -> Iterator[Finding]:
    """Keys that Hookline does not write, or that nothing will remove."""
    if keys.unexplained:
        yield warning(
            "keys",
            f"{_names(keys.unexplained)} in the namespace that Hookline does not write",
            "find the program that writes them, and give it other names; then delete them with redis-cli. Keys of "
            "a newer Hookline are shown too: leave those",
        )
    if keys.endless:
        yield warning(
            "keys",
            f"{_names(keys.endless)} without an expiry that should have one",
            "find out which program removed it (PERSIST, or SET without KEEPTTL), and delete these with redis-cli;"
            " dedupe:* may only be deleted after the dedupe window",
        )
    if keys.ownerless:
        yield warning(
            "keys",
            f"{_names(keys.ownerless)} of jobs that are gone",
            "delete them with redis-cli: nothing reads them",
        )


def set_aside_findings(set_aside: Sequence[SetAside]) -> Iterator[Finding]:
    """Values that Hookline did not write, and has moved aside."""
    if set_aside:
        count = f"{SHOWN} or more" if len(set_aside) >= SHOWN else str(len(set_aside))
        yield warning(
            "keys",
            f"another program has overwritten keys: {count} set aside, such as {one_line(set_aside[0].name)}",
            "find the program that writes into the namespace; look at the keys set-aside:* with redis-cli, then "
            "delete them",
        )


def limit_notes(jobs: StuckJobs | None, keys: KeySurvey | None) -> Iterator[str]:
    """Return what was not examined because there is too much."""
    if jobs and not jobs.is_complete:
        yield f"only the {MOST_JOBS:,} jobs that are due first were examined"
    if keys and not keys.is_complete:
        yield (
            f"only {keys.examined:,} keys were examined, those of the first {MOST_STEPS} steps of SCAN: others may"
            " have no expiry, or not belong there"
        )


def _ids(ids: Sequence[bytes]) -> str:
    return _listed(ids, "job")


def _names(names: Sequence[bytes]) -> str:
    return _listed(names, "key")


def _listed(names: Sequence[bytes], thing: str) -> str:
    shown = ", ".join(one_line(name.decode("utf-8", "backslashreplace"), 80) for name in names[:_NAMED])
    more = ", ..." if len(names) > _NAMED else ""
    return f"{len(names):,} {thing}{'' if len(names) == 1 else 's'} ({shown}{more})"
