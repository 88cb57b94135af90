"""`hookline drift`: where sampled webhooks differ from the models of their events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from broker.monitoring import drift as drift_findings
from broker.monitoring.drift import Deviation
from inspector.cli import options
from inspector.cli.session import run_with_redis
from inspector.formatting import count_of, printable
from inspector.privacy.masking import DEFAULT
from runtime.terminal_text import printable_json

Findings = Mapping[str, Mapping[Deviation, int]]


def drift(
    ctx: typer.Context,
    *,
    source: options.Source = "",
    event: options.Event = "",
    as_json: options.AsJson = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with code 1 if there is any drift.")
    ] = False,
) -> None:
    """Show unknown event names, unknown or missing keys and changed types in sampled webhooks.

    Workers sample the first event of each name and then one in 100.
    The setting worker.drift_every changes this.

    Example: hookline drift --source voucherify --json
    """
    names = [source] if source else sorted(ctx.obj.sources())
    findings = _of_event(run_with_redis(ctx.obj, lambda redis: drift_findings.read(redis, names)), event)
    deviations = sum(bool(deviation.what) for counts in findings.values() for deviation in counts)
    if as_json:
        typer.echo(printable_json(msgspec.json.encode(_records(findings))))
    else:
        _print(findings, deviations)
    raise typer.Exit(1 if exit_code and deviations else 0)


def _of_event(findings: Findings, event: str) -> Findings:
    if not event:
        return findings
    return {
        source: {deviation: count for deviation, count in counts.items() if deviation.event == event}
        for source, counts in findings.items()
    }


def _records(findings: Findings) -> list[dict[str, object]]:
    return [
        {
            "source": source,
            "event": DEFAULT.text(deviation.event),
            "what": deviation.what,
            "path": DEFAULT.text(deviation.path),
            "expected": deviation.expected,
            "found": deviation.found,
            "count": count,
            "samples": counts.get(Deviation(deviation.event), 0),
        }
        for source, counts in sorted(findings.items())
        for deviation, count in _sorted(counts)
    ]


def _sorted(counts: Mapping[Deviation, int]) -> list[tuple[Deviation, int]]:
    deviations = ((deviation, count) for deviation, count in counts.items() if deviation.what)
    return sorted(deviations, key=lambda item: (item[0].event, item[0].what, item[0].path, item[0].found))


def _print(findings: Findings, deviations: int) -> None:
    samples = sum(
        count for counts in findings.values() for deviation, count in counts.items() if not deviation.what
    )
    if not deviations:
        typer.echo(f"no drift in {count_of(samples, 'sample')}")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("source, event", overflow="fold")
    table.add_column("what", overflow="fold")
    table.add_column("samples", no_wrap=True, justify="right")
    for source, counts in sorted(findings.items()):
        for deviation, count in _sorted(counts):
            where = Text(source).append(f"\n{printable(DEFAULT.text(deviation.event))}", style="dim")
            samples_of_event = counts.get(Deviation(deviation.event), 0)
            table.add_row(where, _sentence(deviation), f"{count} of {samples_of_event}")
    Console(markup=False, highlight=False).print(table)


def _sentence(deviation: Deviation) -> str:
    path = printable(DEFAULT.text(deviation.path))
    match deviation.what:
        case "unknown event":
            return "event name without a model"
        case "changed type":
            return f"{path} is {deviation.found}, not {deviation.expected}"
        case "time ahead":
            return "the time in the event is in the future"
        case "unknown key":
            return f"{path} is new ({deviation.found})"
        case _:
            return f"{path} is missing"
