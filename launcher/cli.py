"""The `hookline` command line: its commands, and how each is started."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup


class _LazyCommand(NamedTuple):
    module: str
    name: str
    help: str


_LAZY_COMMANDS = {
    "init": _LazyCommand("launcher.commands.init", "init", "Write a commented hookline.toml for some providers."),
    "send": _LazyCommand("launcher.commands.send.send", "send", "Send signed sample webhooks."),
    "explain": _LazyCommand(
        "launcher.commands.explain", "explain", "Show how a body is processed, and which rules match."
    ),
    "listen": _LazyCommand(
        "launcher.commands.listen.listen", "listen", "Show webhooks as they arrive, and store nothing."
    ),
    "verify": _LazyCommand(
        "launcher.commands.verify.verify", "verify", "Show why a captured request is accepted or rejected."
    ),
    "url": _LazyCommand("launcher.commands.url", "url", "Print the URL for raw payloads of an event."),
    "notify": _LazyCommand(
        "launcher.commands.notify_test", "app", "Run one rule on a body; --send sends the notification."
    ),
    "size": _LazyCommand("launcher.commands.size.size", "size", "Compute what a deployment needs for a load."),
    "demo": _LazyCommand(
        "launcher.commands.demo.demo",
        "demo",
        "Show receiving and notifying with real webhooks, checked step by step.",
    ),
    "doctor": _LazyCommand(
        "launcher.commands.doctor.doctor",
        "doctor",
        "Say what is wrong with a running installation, and how to fix it.",
    ),
    "status": _LazyCommand("inspector.cli", "status", "Show queues, counters and dead letters."),
    "events": _LazyCommand("inspector.cli", "events", "Show what became of each event and its notifications."),
    "waiting": _LazyCommand(
        "inspector.cli", "waiting", "List notifications that wait, send them now, cancel them."
    ),
    "dead": _LazyCommand("inspector.cli", "dead", "Find, inspect, replay and discard dead letters."),
    "groups": _LazyCommand("inspector.cli", "groups", "List, resolve, mute and assign groups of dead letters."),
    "audit": _LazyCommand("inspector.cli", "audit", "Show who did what: replays, reveals, pauses, logins."),
    "forget": _LazyCommand("inspector.cli", "forget", "Remove the data of a person."),
    "channel": _LazyCommand("inspector.cli", "channel", "List, pause and resume channels."),
    "redis": _LazyCommand("launcher.commands.redis", "app", "Manage the namespace in Redis."),
    "drift": _LazyCommand("inspector.cli", "drift", "Show where webhooks differ from the models."),
}
"""Commands of other modules. They are imported when they are called, so that --help is fast."""


class _Commands(TyperGroup):
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Replace the placeholder that --help shows with the real command."""
        if args and args[0] in _LAZY_COMMANDS:
            self.add_command(_imported(args[0]), args[0])
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Receives high-volume webhooks, never loses one, and turns each into the right notification.",
)

Processes = Annotated[
    int | None, typer.Option(min=1, help="Number of processes; default: from the config.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command line. Expected errors are printed as one line each, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may not know every character of a name
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="hookline")
    except Exception as error:
        from launcher.composition.error_reporting import report_error

        code = report_error(error)
        if code is None:
            raise
        sys.exit(code)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"hookline {version('hookline')}")
        raise typer.Exit


@app.callback()
def _global(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(help="Config file; default: HOOKLINE_CONFIG, else ./hookline.toml.", show_default=False),
    ] = None,
    version: Annotated[  # noqa: ARG001 - _show_version has seen to it
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version.")
    ] = False,
) -> None:
    from launcher.composition.command_context import Context

    ctx.obj = Context(config)


@app.command()
def up(ctx: typer.Context) -> None:
    """Run receiver, worker and inspector, on an embedded Redis unless one is configured."""
    from launcher.composition.logs import set_up_logs
    from launcher.composition.up import up as run

    config = ctx.obj.config
    set_up_logs(config.log)
    raise typer.Exit(run(config, read=ctx.obj.read, print_line=_print_line))


@app.command()
def receiver(ctx: typer.Context, processes: Processes = None) -> None:
    """Receive webhooks and write them to Redis."""
    from launcher.composition.components import (
        checked_for_receiver,
        log_accepted_risks,
        open_listener,
        receivers,
        run_group,
    )
    from launcher.composition.logs import set_up_logs
    from launcher.composition.namespace_claim import claim_now
    from launcher.config.reloadable_config import ReloadableConfig

    config = ctx.obj.config
    set_up_logs(config.log)
    redis = ctx.obj.redis()
    with open_listener(config) as listener:
        count = processes or config.receiver.processes
        reloadable = ReloadableConfig(checked_for_receiver(config), lambda: checked_for_receiver(ctx.obj.read()))
        claim_now(redis, config)
        log_accepted_risks(redis)
        group = receivers(reloadable, redis, listener, processes=count)
        raise typer.Exit(run_group(group))


@app.command()
def worker(ctx: typer.Context, processes: Processes = None) -> None:
    """Process the received webhooks and send the notifications."""
    from launcher.composition.components import (
        checked_for_worker,
        log_accepted_risks,
        open_worker_port,
        run_group,
        workers,
    )
    from launcher.composition.logs import set_up_logs
    from launcher.composition.namespace_claim import claim_now
    from launcher.config.reloadable_config import ReloadableConfig

    config = ctx.obj.config
    set_up_logs(config.log)
    reloadable = ReloadableConfig(checked_for_worker(config), lambda: checked_for_worker(ctx.obj.read()))
    redis = ctx.obj.redis()
    claim_now(redis, config)
    log_accepted_risks(redis)
    with open_worker_port(config) as listener:
        group = workers(reloadable, redis, listener, processes=processes or config.worker.processes)
        raise typer.Exit(run_group(group))


@app.command()
def inspector(ctx: typer.Context) -> None:
    """Serve web pages and an HTTP API for queues and dead letters."""
    from launcher.composition.components import inspectors, open_inspector, open_inspector_metrics, run_group
    from launcher.composition.layout import check_layout_now
    from launcher.composition.logs import set_up_logs
    from launcher.config.reloadable_config import ReloadableConfig

    config = ctx.obj.config
    set_up_logs(config.log)
    redis = ctx.obj.redis()
    check_layout_now(redis)
    with open_inspector(config) as listener, open_inspector_metrics(config) as metrics:
        group = inspectors(ReloadableConfig(config, ctx.obj.read), redis, listener, metrics)
        raise typer.Exit(run_group(group))


@app.command()
def check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Check the config and Redis; exit code 2 for config faults, 1 for other problems, 0 for no problem."""
    from launcher.commands.check.check import as_line, as_text, examine

    report = examine(ctx.obj)
    typer.echo(as_line(report) if as_json else as_text(report))
    raise typer.Exit(report.exit_code)


def _placeholder(help_text: str) -> Callable[[], None]:
    def placeholder() -> None:
        raise AssertionError("the real command replaces this one before it is called")

    placeholder.__doc__ = help_text
    return placeholder


def _imported(name: str) -> Any:
    command = getattr(importlib.import_module(_LAZY_COMMANDS[name].module), _LAZY_COMMANDS[name].name)
    if isinstance(command, typer.Typer):
        return typer.main.get_command(command)
    alone = typer.Typer(add_completion=False)
    alone.command(name)(command)
    return typer.main.get_command(alone)


for _name, _command in _LAZY_COMMANDS.items():
    app.command(_name)(_placeholder(_command.help))


def _print_line(line: str) -> None:
    typer.echo(line)
    sys.stdout.flush()
