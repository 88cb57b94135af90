"""What a run with a sick channel did, in a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.chaos.sick_channel import WELL, WITH, Report, percentile
from tests.chaos.sinks import SICK


def table(report: Report) -> str:
    return "\n".join(["", *_rows(report), "", *_ways(report), ""])


def _rows(report: Report) -> Iterator[str]:
    totals = report.totals
    yield (
        f"  {report.events:,} events, {len(report.numbers(WITH)):,} of them with the sick channel; "
        f"{totals.created:,} notifications, {totals.sent:,} sent, {totals.dead:,} dead"
    )
    yield f"  {'':<9} {'sent':>8} {'dead':>6} {'tries':>8} {'p50 ms':>14} {'p99 ms':>16} {'p99':>8}"
    yield f"  {'channel':<9} {'':>8} {'':>6} {'':>8} {'without  with':>14} {'without    with':>16} {'ratio':>8}"
    for channel in (*WELL, SICK):
        died = sum(letter.channel == channel for letter in report.letters.values())
        sent = report.accepted(channel).total()
        row = f"  {channel:<9} {sent:>8,} {died:>6,} {report.tries[channel]:>8,}"
        if channel in WELL:
            turns = report.took_s(channel)[2:]
            well, sick = (sorted(took for turn in some for took in turn) for some in (turns[::2], turns[1::2]))
            p50s = [percentile(took, 0.5) * 1000 for took in (well, sick)]
            p99s = [percentile(took, 0.99) * 1000 for took in (well, sick)]
            row += (
                f" {p50s[0]:>8.1f} {p50s[1]:>5.1f} {p99s[0]:>8.1f} {p99s[1]:>7.1f} {report.ratio(channel):>6.2f} x"
            )
        yield row


def _ways(report: Report) -> Iterator[str]:
    ways = Counter(one.how for one in report.deliveries if one.channel == SICK)
    told = ", ".join(f"{way} {count:,}" for way, count in ways.most_common())
    reasons = Counter(letter.reason for letter in report.letters.values())
    yield f"  the sick one: {told}, refused {report.refused:,}; dead: {dict(reasons)}"
