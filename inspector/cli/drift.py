"""`hookline drift`: where samples of webhooks were not as the models say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from broker.monitoring import drift as noted
from broker.monitoring.drift import Deviation
from inspector.cli import options
from inspector.cli.session import on_redis
from inspector.formatting import count_of, printable
from inspector.privacy.masking import DEFAULT
from runtime.terminal_text import printable_json

Noted = Mapping[str, Mapping[Deviation, int]]


def drift(
    ctx: typer.Context,
    *,
    source: options.Source = "",
    event: options.Event = "",
    as_json: options.AsJson = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 where there is any.")] = False,
) -> None:
    """Show new event names, unknown and missing keys and changed types, as samples of webhooks showed them.

    The first event of each name is sampled, and then one in a hundred (worker.drift_every).

    Example: hookline drift --source voucherify --json
    """
    names = [source] if source else sorted(ctx.obj.sources())
    found = _of_event(on_redis(ctx.obj, lambda redis: noted.read(redis, names)), event)
    deviations = sum(bool(deviation.what) for counts in found.values() for deviation in counts)
    if as_json:
        typer.echo(printable_json(msgspec.json.encode(_records(found))))
    else:
        _print(found, deviations)
    raise typer.Exit(1 if exit_code and deviations else 0)


def _of_event(found: Noted, event: str) -> Noted:
    if not event:
        return found
    return {
        source: {deviation: count for deviation, count in counts.items() if deviation.event == event}
        for source, counts in found.items()
    }


def _records(found: Noted) -> list[dict[str, object]]:
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
        for source, counts in sorted(found.items())
        for deviation, count in _sorted(counts)
    ]


def _sorted(counts: Mapping[Deviation, int]) -> list[tuple[Deviation, int]]:
    real = ((deviation, count) for deviation, count in counts.items() if deviation.what)
    return sorted(real, key=lambda item: (item[0].event, item[0].what, item[0].path, item[0].found))


def _print(found: Noted, deviations: int) -> None:
    samples = sum(count for counts in found.values() for deviation, count in counts.items() if not deviation.what)
    if not deviations:
        typer.echo(f"no drift in {count_of(samples, 'sample')}")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("source, event", overflow="fold")
    table.add_column("what", overflow="fold")
    table.add_column("samples", no_wrap=True, justify="right")
    for source, counts in sorted(found.items()):
        for deviation, count in _sorted(counts):
            where = Text(source).append(f"\n{printable(DEFAULT.text(deviation.event))}", style="dim")
            of = counts.get(Deviation(deviation.event), 0)
            table.add_row(where, _sentence(deviation), f"{count} of {of}")
    Console(markup=False, highlight=False).print(table)


def _sentence(deviation: Deviation) -> str:
    path = printable(DEFAULT.text(deviation.path))
    match deviation.what:
        case "unknown event":
            return "a name that has no model"
        case "changed type":
            return f"{path} is {deviation.found}, not {deviation.expected}"
        case "time ahead":
            return "its own time lies in the future"
        case "unknown key":
            return f"{path} is new ({deviation.found})"
        case _:
            return f"{path} is missing"
