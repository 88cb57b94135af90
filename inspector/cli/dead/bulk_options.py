"""What is to be done to which dead letters, as the command line says it, and the question before it is done."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer
from msgspec import Struct

from inspector import operations
from inspector.cli.dead.progress import Run
from inspector.cli.session import Context, on_redis
from inspector.formatting import count_of, one_line
from inspector.operations import Filter, Selection, Verb, in_words


class Act(Struct, frozen=True):
    """What is done to the chosen dead letters."""

    verb: Verb
    done: str
    asks: bool = True
    """Whether to ask where a filter chose them."""

    asks_for_named: bool = False
    """Whether to ask even where each dead letter was named."""


REPLAY = Act("replay", "replayed")
DISCARD = Act("discard", "discarded", asks_for_named=True)
ANNOTATE = Act("annotate", "annotated")
DRY_RUN = Act("dry_run", "tried", asks=False)


class Order(Struct, frozen=True, kw_only=True):
    """Which dead letters, and how."""

    ids: Sequence[str]
    everything: bool
    wanted: Filter
    yes: bool
    as_json: bool
    rate_per_s: float = 0.0
    note: str = ""

    def check(self, verb: str) -> None:
        """Raise BadParameter for an order that names nothing, or in two ways."""
        if self.everything and self.wanted != Filter():
            raise typer.BadParameter("give filters or --all: not both")
        filtered = self.everything or self.wanted != Filter()
        if self.ids and filtered:
            raise typer.BadParameter("give IDs, or filters, or --all: not both")
        if not self.ids and not filtered:
            raise typer.BadParameter(
                f"which ones? Give IDs, filters such as --reason, or --all to {verb} every one"
            )


def carry_out(context: Context, act: Act, order: Order) -> int:
    """Do it; returns the exit code: 0 if all that was chosen was done. Raises BadParameter, BrokerError."""
    order.check(act.verb)
    run = Run(context, as_json=order.as_json)
    chosen: Sequence[str] | Selection
    if order.ids:
        chosen = list(dict.fromkeys(order.ids))
        count, words = len(chosen), count_of(len(chosen), "dead letter")
    else:
        chosen = on_redis(context, lambda redis: operations.select(redis, order.wanted))
        count, words = chosen.count, _in_words(chosen)
    if count == 0:
        typer.echo("no dead letter matches", err=True)
        run.report_nothing()
        return 1
    if not _agreed(act, order, words):
        typer.echo(f"nothing {act.done}", err=True)
        return 1
    return run.begin(act.verb, chosen, rate_per_s=order.rate_per_s, note=order.note)


def agreed(question: str) -> bool:
    """Ask on stderr, so that stdout has nothing but results; yes must be said."""
    typer.echo(f"{question} [y/N] ", err=True, nl=False)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _agreed(act: Act, order: Order, words: str) -> bool:
    if not act.asks or order.yes or (order.ids and not act.asks_for_named):
        verb = "try a replay of" if act is DRY_RUN else act.verb
        typer.echo(f"to {verb}: {words}", err=True)
        return True
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{words} to {act.verb}: say --yes, there is no terminal to ask on")
    return agreed(f"{act.verb.capitalize()} {words}?")


def _in_words(selection: Selection) -> str:
    """`3 dead letters for channel crm`."""
    words = one_line(in_words(selection.wanted)).removeprefix("all ").removeprefix("dead letters")
    return count_of(selection.count, "dead letter") + words
