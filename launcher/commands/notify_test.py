"""`hookline notify test`: one rule tried on one body."""

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
from launcher.commands.body_file import SourceOption, given_body
from launcher.commands.explain_text import fault_lines, matching, not_matching
from launcher.config.config import Config
from launcher.config.struct_reader import did_you_mean, one_of
from launcher.errors import LauncherError
from runtime.terminal_text import printable_json
from worker.components import worker_source
from worker.preview.explain import Explanation, RuleOutcome, explain
from worker.preview.test_send import SendResult, send_test
from worker.rules.rules import Rule

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Try a rule out.")


class UnknownRuleError(LauncherError):
    """No rule has this name."""

    exit_code = 2


class Report(Struct, frozen=True):
    """What came of it."""

    explanation: Explanation
    sent: tuple[SendResult, ...] = ()
    """One a channel, with --send."""


@app.callback()
def _group() -> None:
    """Keeps `test` a command of its own, though it is the only one."""


@app.command("test")
def test(
    ctx: typer.Context,
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Name of the rule.", show_default=False)],
    *,
    event: Annotated[
        Path,
        typer.Option(
            "--event", metavar="FILE", help="The webhook's body; - reads standard input.", show_default=False
        ),
    ],
    source: SourceOption = "",
    name: Annotated[
        str, typer.Option(help="Event name, as ?event= in the webhook's URL gives it.", show_default=False)
    ] = "",
    send: Annotated[
        bool, typer.Option("--send", help="Really send it, once, through the rule's channels.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all there is.")] = False,
) -> None:
    """Show what one rule makes of a webhook's body, and with --send really send it.

    Needs no Redis and no signature. A rule that is not enabled is tried all the same, and quiet hours do not hold
    --send back. Exit code 1 if nothing would be sent, or something was not.

    Example: hookline notify test points-added --event body.json
    """
    config: Config = ctx.obj.config
    asked = structs.replace(_rule(config, rule), enabled=True)
    body = given_body(config, event, source=source, event=name)
    known = worker_source(config.sources[body.source])
    explanation = explain(body, known, (asked,), config.channels)
    sent: tuple[SendResult, ...] = ()
    if send and explanation.event and explanation.rules[0].notifications and not explanation.dead_letters:
        sent = asyncio.run(send_test(asked, body, known, config.channels))
    if as_json:
        typer.echo(printable_json(msgspec.json.encode(Report(explanation, sent))))
    else:
        Console(highlight=False).print(Group(*_parts(explanation, sent)))
    raise typer.Exit(0 if _is_well(explanation, sent) else 1)


def _rule(config: Config, name: str) -> Rule:
    for rule in config.rules:
        if rule.name == name:
            return rule
    names = [rule.name for rule in config.rules]
    known = did_you_mean(name, names) or (f"; configured: {one_of(names)}" if names else "; none is configured")
    raise UnknownRuleError(f"{name}: no such rule{known}")


def _is_well(explanation: Explanation, sent: tuple[SendResult, ...]) -> bool:
    makes_some = any(outcome.notifications for outcome in explanation.rules)
    return makes_some and not explanation.dead_letters and all(tried.outcome == "sent" for tried in sent)


def _parts(explanation: Explanation, sent: tuple[SendResult, ...]) -> Iterator[RenderableType]:
    if explanation.fault:
        yield fault_lines(explanation.fault)
        yield Text("a dead letter: this body cannot be processed", "bold red")
        return
    (outcome,) = explanation.rules
    for notified in outcome.notifications:
        yield from matching(outcome, notified)
    yield from not_matching([outcome] if not outcome.notifications else [])
    yield Text()
    for tried in sent:
        yield _told(tried)
    if not sent:
        yield _conclusion(outcome, explanation)


def _told(tried: SendResult) -> Text:
    if tried.outcome == "sent":
        return Text("sent", "bold green").append(f" -> {tried.channel}", "default")
    told = Text(f"not sent ({tried.outcome})", "bold red").append(f" -> {tried.channel}: ", "default")
    told.append(printable(tried.error), "red")
    return told.append(f" {printable(tried.answer)}", "dim") if tried.answer else told


def _conclusion(outcome: RuleOutcome, explanation: Explanation) -> Text:
    if not outcome.notifications:
        return Text("nothing to send", "bold yellow")
    if explanation.dead_letters:
        return Text("a dead letter", "bold red")
    return Text("not sent: that is what --send is for", "bold")
