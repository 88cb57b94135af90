"""The data of a run, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.chaos.run import NeighbourReport, Report
from tests.chaos.sender import NO_ANSWER, TIMED_OUT

_ANSWERS = {TIMED_OUT: "timed out", NO_ANSWER: "no answer"}


def table(report: Report) -> str:
    """Return the table, with a line for each kind of disruption."""
    return "\n".join(["", *_figures(report), "", *_disruptions(report), ""])


def _figures(report: Report) -> Iterator[str]:
    audit = report.audit
    answers = sorted(report.answers.items(), reverse=True)
    recoveries = [past.recovery_s for past in report.disruptions]
    p50_ms, p99_ms = (report.ack_percentile_s(share) * 1000 for share in (0.5, 0.99))
    rows = {
        "seed": report.seed,
        "events": f"{audit.events:,} in {report.seconds:.0f} s",
        "answers": ", ".join(f"{_ANSWERS.get(status, status)} {count:,}" for status, count in answers),
        "ack": f"p50 {p50_ms:.1f} ms, p99 {p99_ms:.0f} ms; slowest answer {report.slowest_s:.1f} s",
        "disruptions": f"{len(report.disruptions)}, with {report.kills} kills",
        "recovery": f"slowest {max(recoveries, default=0.0):.1f} s",
        "notified": f"{audit.notified:,} in {report.tries:,} tries",
        "dead": f"{audit.dead:,}, {len(audit.unexpectedly_dead)} of them for no reason",
        "lost": len(audit.lost),
        "crossed": len(audit.crossed),
        "two keys": len(audit.two_keys),
        "latest": f"{len(audit.older_after_newer)} older after newer, "
        f"{len(audit.ends_with_older)} end with an older one, {audit.totals.skipped:,} skipped",
        "digests": f"{audit.digests:,}, {len(audit.in_several_digests)} faults in them",
        "doubled": f"{sum(audit.resends.values())}, {audit.resent_share:.4%} of the notifications",
        "counters": "; ".join(audit.miscounted) or "add up",
        "stray keys": len(audit.stray_keys),
        "failures": f"{len(report.failures)} of receivers and workers; exit codes {report.exit_codes}",
    }
    rows |= _neighbours(report.neighbours) if report.neighbours else {}
    for name, value in rows.items():
        yield f"  {name:<10}  {value}"


def _neighbours(report: NeighbourReport) -> dict[str, str]:
    other, foreign = report.other, report.foreign
    return {
        "other": f"{other.events:,} events, {other.notified:,} notified, {len(other.lost)} lost, "
        f"{len(other.two_keys)} with two keys, {len(other.crossed)} crossed, "
        f"{len(other.older_after_newer)} older after newer",
        "arq app": f"{foreign.enqueued:,} jobs, {foreign.ran:,} run, {len(foreign.lost)} lost, "
        f"{len(foreign.troubled)} that it cannot run",
        "keys": f"{len(report.unowned_keys)} outside of the namespaces",
    }


def _disruptions(report: Report) -> Iterator[str]:
    yield f"  {'disruption':<44} {'times':>5} {'seconds':>8} {'recovery s, each':<40} {'doubled':>7}"
    resends = Counter(report.audit.resends)
    for kind in sorted({past.disruption.name for past in report.disruptions} | set(resends)):
        ones = [past for past in report.disruptions if past.disruption.name == kind]
        seconds = sum(one.ended_s - one.began_s for one in ones)
        recoveries = " ".join(f"{one.recovery_s:.1f}" for one in ones)
        yield f"  {kind:<44} {len(ones):>5} {seconds:>8.1f} {recoveries:<40} {resends[kind]:>7}"
