"""Command line options that several commands share, among them those of a filter."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial, wraps
from inspect import Parameter
from typing import Annotated, Any, Literal

import msgspec
import typer

from inspector.operations.filter_fields import FilterField
from inspector.operations.filters import Filter, GroupFilter, fields
from inspector.presentation.parse_time import parse_rate, parse_time
from runtime.clock import now_ms

FILTERS = "Filters"

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Source = Annotated[str, typer.Option(help="Only this source.", show_default=False)]
Event = Annotated[str, typer.Option(help="Only events with this name.", show_default=False)]

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Ids of dead letters.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="Every dead letter that exists now.", rich_help_panel=FILTERS)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="Most entries to show.")]
Cursor = Annotated[
    str,
    typer.Option(help="Continue a list: the cursor that it ended with.", show_default=False),
]
Rate = Annotated[
    str,
    typer.Option(
        metavar="50/s",
        help="Most letters per second (50/s) or minute (600/min). Default: no limit.",
        show_default=False,
    ),
]


def examples(*lines: str) -> str:
    """The end of a command's help: examples, one per line."""
    return "\n".join(["Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)])


def rate_per_s(rate: str) -> float:
    """The value of --rate; 0 if it is not set. Raises BadParameter."""
    try:
        return parse_rate(rate) if rate else 0.0
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--rate") from None


def with_filter_options(
    command: Callable[..., None] | None = None, *, filter_class: type[GroupFilter] = Filter
) -> Callable[..., Any]:
    """Replace a command's parameter `letter_filter` by one option for each field of the filter."""
    if command is None:
        return partial(with_filter_options, filter_class=filter_class)
    signature = inspect.signature(command, eval_str=True)
    filter_fields = fields(filter_class)

    @wraps(command)
    def wrapper(*args: Any, **options: Any) -> None:
        values = {field.name: options.pop(field.option_name) for field in filter_fields}
        command(*args, letter_filter=_parse_filter(values, filter_class), **options)

    parameters = [parameter for parameter in signature.parameters.values() if parameter.name != "letter_filter"]
    positional = [parameter for parameter in parameters if parameter.kind is not Parameter.KEYWORD_ONLY]
    keywords = [parameter for parameter in parameters if parameter.kind is Parameter.KEYWORD_ONLY]
    filter_options = [_parameter(field) for field in filter_fields]
    # Typer reads the options of a command from its signature.
    vars(wrapper)["__signature__"] = signature.replace(parameters=[*positional, *filter_options, *keywords])
    return wrapper


def _parameter(field: FilterField) -> Parameter:
    value_type: Any = Literal.__getitem__(field.values) if field.values else int if field.type == "number" else str
    option = typer.Option(
        help=field.help,
        metavar=field.metavar,
        min=0 if field.type == "number" else None,
        show_default=False,
        rich_help_panel=FILTERS,
    )
    annotation = Annotated[value_type | None, option]
    return Parameter(field.option_name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _parse_filter(values: dict[str, Any], filter_class: type[GroupFilter]) -> GroupFilter:
    """The filter that the options select. Raises BadParameter."""
    criteria: dict[str, Any] = {}
    for field in fields(filter_class):
        value = values[field.name]
        if value is not None:
            criteria[field.name] = _parse_time(value, field) if field.type == "time" else value
    try:
        letter_filter = msgspec.convert(criteria, filter_class)
    except msgspec.ValidationError as error:
        raise typer.BadParameter(str(error)) from None
    if 0 <= letter_filter.max_attempts < letter_filter.min_attempts:
        raise typer.BadParameter("is less than --min-attempts", param_hint="--max-attempts")
    if 0 < letter_filter.until_ms < letter_filter.since_ms:
        raise typer.BadParameter("is before --since", param_hint="--until")
    return letter_filter


def _parse_time(text: str, field: FilterField) -> int:
    try:
        return parse_time(text, now_ms=now_ms()) if text else 0
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=_option(field)) from None


def to_options(letter_filter: GroupFilter) -> list[str]:
    """A filter as options of a command line."""
    criteria = letter_filter.criteria()
    words: list[str] = []
    for field in fields(type(letter_filter)):
        if field.name in criteria:
            value = criteria[field.name]
            words += [_option(field), _iso(int(value)) if field.type == "time" else str(value)]
    return words


def _option(field: FilterField) -> str:
    return "--" + field.option_name.replace("_", "-")


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
