"""The `hookline` command."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup


class _Elsewhere(NamedTuple):
    module: str
    name: str
    help: str


_ELSEWHERE = {
    "send": _Elsewhere("launcher.commands.send.send", "send", "Send signed sample webhooks."),
    "explain": _Elsewhere(
        "launcher.commands.explain", "explain", "Show what becomes of a body, and which rules match."
    ),
    "url": _Elsewhere("launcher.commands.url", "url", "Print the URL for raw payloads of an event."),
    "notify": _Elsewhere(
        "launcher.commands.notify_test", "app", "Try one rule on a body, and really send it with --send."
    ),
    "demo": _Elsewhere(
        "launcher.commands.demo.demo", "demo", "Show the main job with real webhooks, checked step by step."
    ),
    "status": _Elsewhere("inspector.cli", "status", "Show queues, counters and dead letters."),
    "dead": _Elsewhere("inspector.cli", "dead", "Find, understand and act on dead letters."),
    "audit": _Elsewhere("inspector.cli", "audit", "Show who did what to dead letters."),
    "forget": _Elsewhere("inspector.cli", "forget", "Remove what is kept of a person."),
    "channel": _Elsewhere("inspector.cli", "channel", "List, pause and resume channels."),
    "redis": _Elsewhere("launcher.commands.redis", "app", "Manage the namespace in Redis."),
    "drift": _Elsewhere("inspector.cli", "drift", "Show where webhooks are not as the models say."),
}
"""Commands of other modules, imported when they are called, so that --help answers at once."""


class _Commands(TyperGroup):
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Put the real command in the place of the one that stood for it in --help."""
        if args and args[0] in _ELSEWHERE:
            self.add_command(_imported(args[0]), args[0])
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Takes in high-volume webhooks, never loses one, and turns each into the right notification.",
)

Processes = Annotated[
    int | None, typer.Option(min=1, help="How many processes; default: as the config says.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command line. Errors that people can mend are told in a line each, and never as a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal need not know every character of a name
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="hookline")
    except Exception as error:
        from launcher.composition.error_reporting import tell

        code = tell(error)
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
    """Run all parts, on a Redis of their own unless one is configured."""
    from launcher.composition.logs import set_up_logs
    from launcher.composition.up import up as run

    config = ctx.obj.config
    set_up_logs(config.log)
    raise typer.Exit(run(config, read=ctx.obj.read, tell=_say))


@app.command()
def receiver(ctx: typer.Context, processes: Processes = None) -> None:
    """Take in webhooks."""
    from launcher.composition.components import open_listener, receivable, receivers, run_group
    from launcher.composition.logs import set_up_logs
    from launcher.composition.namespace_claim import claim_now
    from launcher.config.live_config import LiveConfig

    config = ctx.obj.config
    set_up_logs(config.log)
    redis = ctx.obj.redis()
    with open_listener(config) as listener:
        count = processes or config.receiver.processes
        live = LiveConfig(receivable(config), lambda: receivable(ctx.obj.read()))
        claim_now(redis, config)
        group = receivers(live, redis, listener, processes=count)
        raise typer.Exit(run_group(group))


@app.command()
def worker(ctx: typer.Context, processes: Processes = None) -> None:
    """Turn webhooks into notifications."""
    from launcher.composition.components import run_group, workable, workers
    from launcher.composition.logs import set_up_logs
    from launcher.composition.namespace_claim import claim_now
    from launcher.config.live_config import LiveConfig

    config = ctx.obj.config
    set_up_logs(config.log)
    live = LiveConfig(workable(config), lambda: workable(ctx.obj.read()))
    redis = ctx.obj.redis()
    claim_now(redis, config)
    group = workers(live, redis, processes=processes or config.worker.processes)
    raise typer.Exit(run_group(group))


@app.command()
def inspector(ctx: typer.Context) -> None:
    """Serve web pages to look at queues and dead letters."""
    from launcher.composition.components import inspectors, open_inspector, run_group
    from launcher.composition.logs import set_up_logs
    from launcher.config.live_config import LiveConfig

    config = ctx.obj.config
    set_up_logs(config.log)
    redis = ctx.obj.redis()
    with open_inspector(config) as listener:
        group = inspectors(LiveConfig(config, ctx.obj.read), redis, listener)
        raise typer.Exit(run_group(group))


@app.command()
def check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Check the config and Redis; exit code 2 for config faults, 1 for other problems, 0 if all is well."""
    from launcher.commands.check.check import as_line, as_text, examine

    report = examine(ctx.obj)
    typer.echo(as_line(report) if as_json else as_text(report))
    raise typer.Exit(report.exit_code)


def _stand_in(help_text: str) -> Callable[[], None]:
    def stand_in() -> None:
        raise AssertionError("the real command takes its place before it is called")

    stand_in.__doc__ = help_text
    return stand_in


def _imported(name: str) -> Any:
    found = getattr(importlib.import_module(_ELSEWHERE[name].module), _ELSEWHERE[name].name)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return typer.main.get_command(alone)


for _name, _command in _ELSEWHERE.items():
    app.command(_name)(_stand_in(_command.help))


def _say(line: str) -> None:
    typer.echo(line)
    sys.stdout.flush()
