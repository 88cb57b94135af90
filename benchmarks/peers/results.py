"""The results of all contenders: medians, the tables that show them, and the comparison with the goals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median

from msgspec import Struct
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.harness.figures import Figure
from benchmarks.peers.crash import Survived
from benchmarks.peers.measure import Phase, Round

_ROLES = ("receiver", "worker", "both", "redis")


class Result(Struct, frozen=True):
    """The figures of one contender."""

    name: str
    title: str
    settings: str
    versions: dict[str, str]
    faults: list[str]
    """The promises that it has not kept. Empty if it kept all."""

    rounds: list[Round]


class Report(Struct, frozen=True):
    """A whole run, as `--json` writes it."""

    machine: dict[str, str]
    """The processor, the system and the versions of the environment of Hookline, by name."""

    redis: str
    load_average: tuple[float, float, float]
    """The load of the machine at the end of the run, which includes this run."""

    results: list[Result]


def show(report: Report) -> None:
    """Print the tables of a run."""
    console = _console()
    console.print(", ".join(f"{name} {value}" for name, value in report.machine.items()), highlight=False)
    console.print(f"Redis {report.redis}", highlight=False)
    console.print(f"load average at the end {', '.join(f'{load:.1f}' for load in report.load_average)}\n")
    for title, phase in _PHASES:
        console.print(_table(title, report.results, phase))
    for result in report.results:
        versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
        console.print(f"{result.title}: {versions}\n  {result.settings}", highlight=False)
        left_bytes = median(each.left_bytes for each in result.rounds)
        console.print(f"  left in Redis by each webhook: {left_bytes:,.0f} bytes", highlight=False)
        for fault in result.faults:
            console.print(f"  in the check: {fault}")


def show_crashes(survived: Iterable[tuple[str, Survived]]) -> None:
    """Print the table of what killed processes lost and delayed, by the title of the contender."""
    table = Table(title="Receiver killed, then worker killed", title_justify="left", box=MARKDOWN)
    table.add_column("contender", no_wrap=True)
    for heading in (
        *("events", "lost when the receiver was killed", "notified twice"),
        *("last arrival after the worker was killed", "not arrived within 60 s"),
    ):
        table.add_column(heading)
    for title, each in survived:
        cells = f"{each.sent:,}", f"{each.lost:,}", f"{each.twice:,}", f"{each.late_s:.1f} s", f"{each.late:,}"
        table.add_row(title, *cells)
    _console().print(table)


def _console() -> Console:
    return Console(width=None if Console().is_terminal else 170)


def figures(results: Iterable[Result]) -> list[Figure]:
    """Return the comparison of Hookline with its goals. Empty without Hookline, the floor and one peer.

    The steady rate is left out, because the contenders run at different rates there.
    """
    by_name = {result.name: result for result in results}
    ours, floor = by_name.pop("hookline", None), by_name.pop("floor", None)
    if ours is None or floor is None or not by_name:
        return []
    peers = list(by_name.values())
    lines = [_against_floor(ours, floor), _against_best("at the limit", ours, peers, _limit, goal=4.0)]
    rate = ours.rounds[-1].low.offered_per_s
    if same := [peer for peer in peers if all(each.low.offered_per_s == rate for each in peer.rounds)]:
        when = f"at {rate} events a second"
        lines += [_against_best(when, ours, same, _low, goal=None), _p99(when, ours, same)]
    return lines


def _low(each: Round) -> Phase:
    return each.low


def _steady(each: Round) -> Phase:
    return each.steady


def _limit(each: Round) -> Phase:
    return each.limit


_Of = Callable[[Round], Phase]
_PHASES: tuple[tuple[str, _Of], ...] = (
    ("At a steady rate: 2,000 events a second, or 60 % of the limit of those that do not sustain it", _steady),
    ("At the limit: as fast as possible, with at most 1,000 events on their way", _limit),
    ("At a low rate: 200 events a second, or the steady rate if that is lower", _low),
)


def _table(title: str, results: list[Result], of: _Of) -> Table:
    table = Table(title=title, title_justify="left", box=MARKDOWN)  # to be pasted into docs/peers.md
    table.add_column("contender", no_wrap=True)
    for heading in (
        *("offered/s", "arrived/s", "CPU us an event", "from - to", "receiver", "worker", "Redis"),
        *("received p50 ms", "p99 ms", "ack p99 ms"),
    ):
        table.add_column(heading, justify="right")
    for result in results:
        phases = [of(each) for each in result.rounds]
        totals = [phase.total_us for phase in phases]
        roles = {role: median(phase.cpu_us.get(role, 0) for phase in phases) for role in _ROLES}
        offered = median(phase.offered_per_s for phase in phases)
        table.add_row(
            result.title,
            f"{offered:,.0f}" if offered else "",
            f"{median(phase.arrived_per_s for phase in phases):,.0f}",
            f"{median(totals):,.0f}",
            f"{min(totals):,.0f} - {max(totals):,.0f}",
            *(f"{roles[role]:,.0f}" if roles[role] else "" for role in ("receiver", "worker")),
            f"{roles['redis']:,.0f}",
            *(f"{median(value):,.1f}" for value in zip(*map(_times_ms, phases), strict=True)),
        )
    return table


def _times_ms(phase: Phase) -> tuple[float, float, float]:
    return phase.received_p50_ms, phase.received_p99_ms, phase.ack_p99_ms


def total_us(result: Result, of: _Of) -> float:
    """Return the median CPU time of an event, in microseconds."""
    return median(of(each).total_us for each in result.rounds)


def _against_floor(ours: Result, floor: Result) -> Figure:
    return Figure(
        what="CPU an event against the floor, at the limit",
        measured=f"{total_us(ours, _limit):,.0f} us against {total_us(floor, _limit):,.0f} us",
        value=_ratio(ours, floor, _limit),
        goal=1.8,
        at_most=True,
    )


def _against_best(when: str, ours: Result, peers: Iterable[Result], of: _Of, *, goal: float | None) -> Figure:
    best = min(peers, key=lambda peer: total_us(peer, of))
    return Figure(
        what=f"CPU an event of the best peer against Hookline, {when}",
        measured=f"{best.title}: {total_us(best, of):,.0f} us against {total_us(ours, of):,.0f} us",
        value=_ratio(best, ours, of),
        goal=goal,
    )


def _ratio(one: Result, other: Result, of: _Of) -> float:
    """Return the median of the ratios within each round, because the speed of the machine changes."""
    pairs = zip(one.rounds, other.rounds, strict=True)
    return median(of(a).total_us / of(b).total_us for a, b in pairs)


def _p99(when: str, ours: Result, peers: Iterable[Result]) -> Figure:
    def p99_ms(result: Result) -> float:
        return median(each.low.received_p99_ms for each in result.rounds)

    best = min(peers, key=p99_ms)
    return Figure(
        what=f"POST to notification received p99, {when}, against the best peer",
        measured=f"{p99_ms(ours):,.1f} ms against {best.title}: {p99_ms(best):,.1f} ms",
        value=p99_ms(ours) / p99_ms(best),
        goal=1,
        at_most=True,
    )
