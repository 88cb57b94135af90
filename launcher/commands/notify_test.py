"""`hookline notify test`: runs one rule on one body."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec import Struct, structs
from rich.console import Console, Group, RenderableType
from rich.text import Text

from inspector.formatting import printable
from launcher.commands.body_file import SourceOption, body_from_file
from launcher.commands.explain_text import fault_lines, matching, not_matching
from launcher.config.config import Config
from launcher.config.struct_reader import did_you_mean, one_of
from launcher.errors import LauncherError
from runtime.terminal_text import printable_json
from sources.written_number import as_json as written_as_json
from worker.components import worker_source
from worker.preview.explain import Explanation, RuleOutcome, explain
from worker.preview.test_send import SendResult, send_test
from worker.rules.rules import Rule

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Test a rule.")


class UnknownRuleError(LauncherError):
    """No rule has this name."""

    exit_code = 2


class Report(Struct, frozen=True):
    """The result of the test."""

    explanation: Explanation
    sent: tuple[SendResult, ...] = ()
    """The result of each channel, with --send."""


@app.callback()
def _group() -> None:
    """Makes `test` a subcommand, though it is the only one."""


@app.command("test")
def test(
    ctx: typer.Context,
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Name of the rule.", show_default=False)],
    *,
    event: Annotated[
        Path,
        typer.Option(
            "--event",
            metavar="FILE",
            help="File with the webhook's body; - reads standard input.",
            show_default=False,
        ),
    ],
    source: SourceOption = "",
    name: Annotated[
        str, typer.Option(help="Event name, as ?event= in the webhook's URL gives it.", show_default=False)
    ] = "",
    send: Annotated[
        bool, typer.Option("--send", help="Send the notification once through each channel of the rule.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all details.")] = False,
) -> None:
    """Show the notification that one rule makes of a webhook's body; --send sends it.

    Needs no Redis and no signature. A rule that is not enabled is tested too, and --send ignores quiet hours. Exit
    code 1 if nothing would be sent, or if a send failed.

    Example: hookline notify test points-added --event body.json
    """
    config: Config = ctx.obj.config
    tested = structs.replace(_rule(config, rule), enabled=True)
    body = body_from_file(config, event, source=source, event=name)
    known = worker_source(config.sources[body.source])
    explanation = explain(body, known, (tested,), config.channels)
    sent: tuple[SendResult, ...] = ()
    if send and explanation.event and explanation.rules[0].notifications and not explanation.dead_letters:
        sent = asyncio.run(send_test(tested, body, known, config.channels))
    if as_json:
        typer.echo(printable_json(msgspec.json.encode(Report(explanation, sent), enc_hook=written_as_json)))
    else:
        Console(highlight=False).print(Group(*_parts(explanation, sent)))
    raise typer.Exit(0 if _is_successful(explanation, sent) else 1)


def _rule(config: Config, name: str) -> Rule:
    for rule in config.rules:
        if rule.name == name:
            return rule
    names = [rule.name for rule in config.rules]
    known = did_you_mean(name, names) or (f"; configured: {one_of(names)}" if names else "; none is configured")
    raise UnknownRuleError(f"{name}: no such rule{known}")


def _is_successful(explanation: Explanation, sent: tuple[SendResult, ...]) -> bool:
    makes_some = any(outcome.notifications for outcome in explanation.rules)
    return makes_some and not explanation.dead_letters and all(result.outcome == "sent" for result in sent)


def _parts(explanation: Explanation, sent: tuple[SendResult, ...]) -> Iterator[RenderableType]:
    if explanation.fault:
        yield fault_lines(explanation.fault)
        yield Text("dead letter: this body cannot be processed", "bold red")
        return
    (outcome,) = explanation.rules
    for notified in outcome.notifications:
        yield from matching(outcome, notified)
    yield from not_matching([outcome] if not outcome.notifications else [])
    yield Text()
    for result in sent:
        yield _send_result(result)
    if not sent:
        yield _conclusion(outcome, explanation)


def _send_result(result: SendResult) -> Text:
    if result.outcome == "sent":
        return Text("sent", "bold green").append(f" -> {result.channel}", "default")
    line = Text(f"not sent ({result.outcome})", "bold red").append(f" -> {result.channel}: ", "default")
    line.append(printable(result.error), "red")
    return line.append(f" {printable(result.answer)}", "dim") if result.answer else line


def _conclusion(outcome: RuleOutcome, explanation: Explanation) -> Text:
    if not outcome.notifications:
        return Text("nothing to send", "bold yellow")
    if explanation.dead_letters:
        return Text("would become a dead letter", "bold red")
    return Text("Not sent (dry run). Add --send to send it.", "bold")
