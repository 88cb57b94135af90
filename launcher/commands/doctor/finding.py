"""The findings of the doctor, and how they are printed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from msgspec import Struct, structs

from broker.redis.partitions import named
from launcher.errors import Fault
from runtime.terminal_text import one_line, printable_json

Area = Literal[
    "alert",
    "channels",
    "clock",
    "config",
    "counters",
    "history",
    "jobs",
    "keys",
    "partitions",
    "permissions",
    "queue",
    "redis",
    "spill",
    "workers",
]


class Finding(Struct, frozen=True):
    """One thing that is wrong."""

    severity: Literal["problem", "warning"]
    """`problem` if webhooks or notifications wait, fail or can be lost; `warning` if that may come."""

    area: Area
    what: str
    """The fault and its place, in one line."""

    fix: str
    """How to fix it, in one line."""


class Report(Struct, frozen=True, kw_only=True):
    """The results of the examination."""

    exit_code: int
    """2 for faults of the config, 1 for problems, 0 for warnings or nothing."""

    faults: tuple[Fault, ...] = ()
    """Faults of the config. With any, nothing else was examined."""

    findings: tuple[Finding, ...] = ()
    """The findings, problems before warnings."""

    notes: tuple[str, ...] = ()
    """Facts that need no action, and what could not be examined."""


def problem(area: Area, what: str, fix: str) -> Finding:
    """Return a problem whose texts have one line each."""
    return Finding("problem", area, one_line(what), one_line(fix))


def warning(area: Area, what: str, fix: str) -> Finding:
    """Return a warning whose texts have one line each."""
    return Finding("warning", area, one_line(what), one_line(fix))


_CURE = re.compile(
    r"[:;] (?=(?:ACL SETUSER|add|allow|check|correct|free|give|if|let|make|move|point|raise|reload|restart|run|see"
    r"|set|start|synchronize|use|wait|watch|write)\b)"
)


def split_cure(text: str) -> tuple[str, str]:
    """Split a text of `hookline check` into what is wrong and how to fix it; the latter is "" if it says nothing.

    These texts put the cure behind a colon, as an instruction.
    """
    cure = _CURE.search(text)
    return (text[: cure.start()], text[cure.end() :]) if cure else (text, "")


def merged(findings: Mapping[int, Iterable[Finding]]) -> list[Finding]:
    """Return each finding once. findings: by the number of the partition.

    One that does not hold for all partitions names those for which it holds.
    """
    holders: dict[Finding, list[int]] = {}
    for number, each in findings.items():
        for finding in each:
            holders.setdefault(finding, []).append(number)
    return [
        finding
        if len(numbers) == len(findings)
        else structs.replace(finding, what=f"{named(numbers)}: {finding.what}")
        for finding, numbers in holders.items()
    ]


def report_on(findings: Iterable[Finding], notes: Iterable[str] = ()) -> Report:
    """Return the report with these findings, problems first."""
    ordered = tuple(sorted(dict.fromkeys(findings), key=lambda finding: finding.severity != "problem"))
    has_problem = any(finding.severity == "problem" for finding in ordered)
    return Report(exit_code=int(has_problem), findings=ordered, notes=tuple(map(one_line, notes)))


def as_line(report: Report) -> bytes:
    """The report as one line of JSON."""
    return printable_json(msgspec.json.encode(report))


def as_text(report: Report) -> str:
    """The report to read: two lines for each finding."""
    lines = [f"fault    {fault}" for fault in report.faults]
    for finding in report.findings:
        lines += [f"{finding.severity:8} {finding.area}: {finding.what}", f"         fix: {finding.fix}"]
    lines += [f"note     {note}" for note in report.notes]
    return "\n".join([*lines, _conclusion(report)])


def _conclusion(report: Report) -> str:
    problems = len(report.faults) + sum(finding.severity == "problem" for finding in report.findings)
    warnings = len(report.findings) + len(report.faults) - problems
    if not problems and not warnings:
        return "OK: nothing found"
    return f"{_count(problems, 'problem')} and {_count(warnings, 'warning')} found"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
