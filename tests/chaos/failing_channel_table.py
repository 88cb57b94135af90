"""The data of a run with a failing channel, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.chaos.failing_channel import HEALTHY, WITH, Report, percentile
from tests.chaos.sinks import FAILING_CHANNEL


def table(report: Report) -> str:
    return "\n".join(["", *_rows(report), "", *_ways(report), ""])


def _rows(report: Report) -> Iterator[str]:
    totals = report.totals
    yield (
        f"  {report.events:,} events, {len(report.numbers(WITH)):,} of them with the failing channel; "
        f"{totals.created:,} notifications, {totals.sent:,} sent, {totals.dead:,} dead"
    )
    yield f"  {'':<9} {'sent':>8} {'dead':>6} {'tries':>8} {'p50 ms':>14} {'p99 ms':>16} {'p99':>8}"
    yield f"  {'channel':<9} {'':>8} {'':>6} {'':>8} {'without  with':>14} {'without    with':>16} {'ratio':>8}"
    for channel in (*HEALTHY, FAILING_CHANNEL):
        died = sum(letter.channel == channel for letter in report.letters.values())
        sent = report.accepted(channel).total()
        row = f"  {channel:<9} {sent:>8,} {died:>6,} {report.tries[channel]:>8,}"
        if channel in HEALTHY:
            turns = report.took_s(channel)[2:]
            healthy, failing = (
                sorted(took for turn in half for took in turn) for half in (turns[::2], turns[1::2])
            )
            p50s = [percentile(took, 0.5) * 1000 for took in (healthy, failing)]
            p99s = [percentile(took, 0.99) * 1000 for took in (healthy, failing)]
            row += (
                f" {p50s[0]:>8.1f} {p50s[1]:>5.1f} {p99s[0]:>8.1f} {p99s[1]:>7.1f} {report.ratio(channel):>6.2f} x"
            )
        yield row


def _ways(report: Report) -> Iterator[str]:
    ways = Counter(delivery.how for delivery in report.deliveries if delivery.channel == FAILING_CHANNEL)
    counts = ", ".join(f"{way} {count:,}" for way, count in ways.most_common())
    reasons = Counter(letter.reason for letter in report.letters.values())
    yield f"  the failing channel: {counts}, refused {report.refused:,}; dead: {dict(reasons)}"
