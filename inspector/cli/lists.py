"""Lists that end with a cursor: options of their filters, reading a page, and the command that continues them."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, Any, TypeVar

import typer
from msgspec import Struct

from broker.redis.partitions import Partitions
from inspector.cli.options import FILTERS
from inspector.cli.session import Context, run_with_partitions

T = TypeVar("T")


def criterion(help_text: str) -> Any:
    """An option that narrows a list."""
    return typer.Option(help=help_text, show_default=False, rich_help_panel=FILTERS)


OfSource = Annotated[str, criterion("Only this source.")]
Search = Annotated[
    str, criterion("An id of event, customer, voucher or transaction, an e-mail address, or an idempotency key.")
]


def read_page(context: Context, read: Callable[[Partitions], Awaitable[T]]) -> T:
    """Return what `read` returns. Raises BrokerError, and BadParameter if it does not accept the cursor."""
    try:
        return run_with_partitions(context, read)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--cursor") from None


def words_of(criteria: Struct, names: Iterable[str]) -> list[str]:
    """Return the criteria that are set, as options of a command line."""
    return [word for name in names if (value := getattr(criteria, name)) for word in (f"--{name}", value)]


def continuing(command: Sequence[str], cursor: str) -> str:
    """Say with which command a list goes on. command: its words after `hookline`."""
    return f"to continue: {shlex.join(['hookline', *command, '--cursor', cursor])}"
