"""Command line options that several commands share."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import wraps
from inspect import Parameter
from typing import Annotated, Any, Literal

import typer

from inspector.cli.parse_time import moment_of, rate_of
from inspector.operations import Filter

WHICH = "Which"
HOW = "How"

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Source = Annotated[str, typer.Option(help="Only of this source.", show_default=False)]
Event = Annotated[str, typer.Option(help="Only of this event name.", show_default=False)]

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Dead letters by name.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="Every dead letter there is now.", rich_help_panel=WHICH)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.", rich_help_panel=HOW)]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="At most so many.", rich_help_panel=HOW)]
Cursor = Annotated[str, typer.Option(help="Where the last page ended.", show_default=False, rich_help_panel=HOW)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.", rich_help_panel=HOW)]
Rate = Annotated[
    str,
    typer.Option(metavar="50/s", help="At most so many a second.", show_default=False, rich_help_panel=HOW),
]


def examples(*lines: str) -> str:
    """What stands at the end of a command's help."""
    return "\n".join(["Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)])


def rate_per_s(rate: str) -> float:
    """Of --rate; 0 for none. Raises BadParameter."""
    try:
        return rate_of(rate) if rate else 0.0
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--rate") from None


def _option(what: str, *names: str, **given: Any) -> Any:
    return typer.Option(*names, help=what, show_default=False, rich_help_panel=WHICH, **given)


_FILTER: Mapping[str, tuple[Any, Any]] = {
    "source": (Annotated[str, _option("Of this source.")], ""),
    "stage": (Annotated[Literal["intake", "notify"] | None, _option("That died there.")], None),
    "reason": (Annotated[str, _option("undecodable, poison, permanent, exhausted and the like.")], ""),
    "error_class": (Annotated[str, _option("With this class of error.")], ""),
    "channel": (Annotated[str, _option("For this channel.")], ""),
    "rule": (Annotated[str, _option("Of this rule.")], ""),
    "event": (Annotated[str, _option("Of this event name.")], ""),
    "group": (
        Annotated[str, _option("Of the same cause: see hookline dead groups.", metavar="FINGERPRINT")],
        "",
    ),
    "min_attempts": (Annotated[int | None, _option("Attempted as often or more.", min=0)], None),
    "max_attempts": (Annotated[int | None, _option("Attempted as often or less.", min=0)], None),
    "since": (Annotated[str, _option("Died since then: 2h, 3d, or 2026-01-31T12:00 (UTC).", metavar="TIME")], ""),
    "until": (Annotated[str, _option("Died until then.", metavar="TIME")], ""),
    "search": (
        Annotated[
            str,
            _option(
                "An id, an e-mail address, a phone number, a voucher's code: in any case, as a whole.",
                metavar="TEXT",
            ),
        ],
        "",
    ),
}
"""The options of a filter: annotation and default of each."""


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a filter in the place of its parameter `wanted`."""
    signature = inspect.signature(command, eval_str=True)

    @wraps(command)
    def filled(*args: Any, **given: Any) -> None:
        said = {name: given.pop(name) for name in _FILTER}
        command(*args, wanted=_wanted(said), **given)

    own = [parameter for parameter in signature.parameters.values() if parameter.name != "wanted"]
    options = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _FILTER.items()
    ]
    first = [parameter for parameter in own if parameter.kind is not Parameter.KEYWORD_ONLY]
    last = [parameter for parameter in own if parameter.kind is Parameter.KEYWORD_ONLY]
    vars(filled)["__signature__"] = signature.replace(parameters=[*first, *options, *last])
    return filled


def _wanted(said: Mapping[str, Any]) -> Filter:
    wanted = Filter(
        **{name: said[name] or "" for name in _EXACT},
        fingerprint=said["group"],
        min_attempts=said["min_attempts"] or 0,
        max_attempts=-1 if said["max_attempts"] is None else said["max_attempts"],
        since_ms=_moment(said["since"], "--since"),
        until_ms=_moment(said["until"], "--until"),
        search=said["search"],
    )
    if 0 <= wanted.max_attempts < wanted.min_attempts:
        raise typer.BadParameter("is less than --min-attempts", param_hint="--max-attempts")
    if 0 < wanted.until_ms < wanted.since_ms:
        raise typer.BadParameter("is before --since", param_hint="--until")
    return wanted


_EXACT = ("source", "stage", "reason", "error_class", "channel", "rule", "event")


def _moment(text: str, option: str) -> int:
    try:
        return moment_of(text, now_ms=time.time_ns() // 1_000_000) if text else 0
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def as_options(wanted: Filter) -> list[str]:
    """The words of a command line that say a filter."""
    names = {"fingerprint": "group", "since_ms": "since", "until_ms": "until"}
    words: list[str] = []
    for name, value in wanted.given().items():
        option = "--" + names.get(name, name).replace("_", "-")
        words += [option, _iso(int(value)) if name.endswith("_ms") else str(value)]
    return words


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
