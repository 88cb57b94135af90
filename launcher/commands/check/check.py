"""`hookline check`: is the config valid, does Redis answer, and does Redis keep what is written to it?"""

from __future__ import annotations

import tomllib
from itertools import starmap
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from launcher.commands.check.exposure import exposure_notes
from launcher.commands.check.namespace import check_namespace
from launcher.commands.check.redis_server import RedisFindings, RedisReport, check_redis
from launcher.composition.command_context import Context
from launcher.config.channel_checks import channel_faults
from launcher.config.checks import short_deadlines
from launcher.config.config import Config
from launcher.config.secret_exposure import open_files, secrets_in_file
from launcher.config.toml_lines import line_numbers, line_of
from launcher.config.undeliverable_rules import missing_recipients, refused_addresses, unknown_events
from launcher.embedded.server_binary import find_server
from launcher.embedded.stored_data import read_stored_data
from launcher.errors import ConfigError, EmbeddedRedisError, Fault, NoRedisError
from receiver.storage.spill.files import unusable_reason
from runtime.terminal_text import printable_json
from sources.source_kinds import provider_of


class SourceReport(Struct, frozen=True):
    """A source, as the report shows it."""

    name: str
    kind: str
    secrets: int
    addresses: int


class RuleReport(Struct, frozen=True):
    """A rule, as the report shows it."""

    name: str
    events: tuple[str, ...]
    channels: tuple[str, ...]


class Report(Struct, frozen=True, kw_only=True):
    """The results of the check."""

    exit_code: int
    faults: tuple[Fault, ...] = ()
    """Faults of the config."""

    problems: tuple[str, ...] = ()
    """Problems of Redis or of the directory for spilled webhooks, and notifications that cannot arrive."""

    notes: tuple[str, ...] = ()
    """Facts that are worth knowing and are no problems."""

    redis: RedisReport | None = None
    sources: tuple[SourceReport, ...] = ()
    rules: tuple[RuleReport, ...] = ()
    channels: dict[str, str] = {}
    """Kinds of the channels, by channel name."""


def examine(context: Context) -> Report:
    """Check everything, and report every problem."""
    faults = config_faults(context)
    if faults:
        return Report(exit_code=ConfigError.exit_code, faults=faults)
    config = context.config
    redis = examine_redis(context, config)
    problems = (*redis.problems, *config_problems(context, config))
    return Report(
        exit_code=1 if problems else 0,
        problems=problems,
        notes=(*redis.notes, *config_notes(context, config)),
        redis=redis.report,
        sources=tuple(
            SourceReport(name, source.kind, len(source.secrets), len(source.addresses))
            for name, source in config.sources.items()
        ),
        rules=tuple(RuleReport(rule.name, rule.events, rule.channels()) for rule in config.rules),
        channels={name: str(channel.__struct_config__.tag) for name, channel in config.channels.items()},
    )


def config_faults(context: Context) -> tuple[Fault, ...]:
    """The faults of the config; with any, `context.config` may not be used."""
    try:
        return channel_faults(context.config.channels)
    except ConfigError as error:
        return error.faults


def config_problems(context: Context, config: Config) -> tuple[str, ...]:
    """Problems of the directory for spilled webhooks, and notifications that cannot arrive."""
    return (*_spill_problems(config), *_undeliverable(context, config))


def config_notes(context: Context, config: Config) -> tuple[str, ...]:
    """Facts about the config that are worth knowing."""
    return (
        *_unsigned(config),
        *_with_lines(context, tuple(starmap(Fault, short_deadlines(config.receiver, config.sources)))),
        *exposure_notes(config),
        *_unknown_events(context, config),
        *_readable(context, config),
    )


def examine_redis(context: Context, config: Config) -> RedisFindings:
    """Check Redis and the namespace; without a Redis, which one `hookline up` would start."""
    try:
        settings = context.redis()
    except NoRedisError:
        return _embedded_redis_findings(config)
    server = check_redis(settings, config.receiver)
    if set(server.problems) - set(server.lacking):  # they may be the reason why the namespace cannot be read
        return server
    namespace = check_namespace(settings, config)
    return structs.replace(
        server, problems=server.problems + namespace.problems, notes=server.notes + namespace.notes
    )


def as_line(report: Report) -> bytes:
    """The report as one line of JSON."""
    return printable_json(msgspec.json.encode(report))


def as_text(report: Report) -> str:
    """The report to read."""
    lines = [f"fault    {fault}" for fault in report.faults]
    if report.redis:
        lines.append(f"redis    {report.redis.line()}")
    for source in report.sources:
        senders = f"{source.addresses} networks" if source.addresses else "any address"
        lines.append(f"source   {source.name}: {source.kind}, {source.secrets} secrets, from {senders}")
    lines.extend(
        f"rule     {rule.name}: {', '.join(rule.events)} -> {', '.join(rule.channels)}" for rule in report.rules
    )
    lines.extend(f"channel  {name}: {kind}" for name, kind in report.channels.items())
    lines.extend(f"note     {note}" for note in report.notes)
    lines.extend(f"problem  {problem}" for problem in report.problems)
    return "\n".join([*lines, _conclusion(report)])


def _conclusion(report: Report) -> str:
    count = len(report.faults) + len(report.problems)
    if not count:
        return "OK: no problems found"
    return "1 problem found" if count == 1 else f"{count} problems found"


def _embedded_redis_findings(config: Config) -> RedisFindings:
    report = RedisReport(url="")
    try:
        server = find_server(read_stored_data(config.data_dir))
    except (NoRedisError, EmbeddedRedisError) as error:
        return RedisFindings(report, (str(error),))
    return RedisFindings(report, notes=(f"no Redis is configured or running here; `hookline up` starts {server}",))


def _spill_problems(config: Config) -> tuple[str, ...]:
    directory = config.receiver.spill_dir
    problem = unusable_reason(Path(directory)) if directory else ""
    return (problem,) if problem else ()


def _undeliverable(context: Context, config: Config) -> tuple[str, ...]:
    faults = (
        *missing_recipients(config.rules, config.channels, config.alerts),
        *refused_addresses(config.channels),
    )
    return _with_lines(context, faults)


def _unknown_events(context: Context, config: Config) -> tuple[str, ...]:
    return _with_lines(context, tuple(unknown_events(config.rules, config.sources)))


def _readable(context: Context, config: Config) -> tuple[str, ...]:
    in_file = tuple(secrets_in_file(tomllib.loads(context.file_text())))
    files = open_files(config, context.file(), file_has_secrets=bool(in_file))
    return (*_with_lines(context, in_file), *files)


def _with_lines(context: Context, faults: tuple[Fault, ...]) -> tuple[str, ...]:
    """The faults as text, each with its line in the config file."""
    places = line_numbers(context.file_text())
    return tuple(str(structs.replace(fault, line=line_of(fault.path, places))) for fault in faults)


def _unsigned(config: Config) -> tuple[str, ...]:
    return tuple(
        f"source {name} has no secret: `hookline up` makes one up, `hookline receiver` does not start"
        for name, source in config.sources.items()
        if not source.secrets and provider_of(source).authenticates
    )
