"""The config: hookline.toml, overridden by the environment."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import Struct, structs

from broker.history.settings import HistorySettings
from broker.redis.connection import Settings as RedisSettings
from inspector.settings import DeadSettings, User
from inspector.settings import Settings as InspectorSettings
from launcher.config.checks import (
    checks,
    longest_answer,
    missing_extra,
    name_fault,
    tls_files,
    unprotected_inspector,
)
from launcher.config.enrichment_checks import enrichment
from launcher.config.environment import CONFIG, as_variable, names_of, overlay
from launcher.config.rule_checks import contradictions
from launcher.config.settings import LogSettings, TelemetrySettings, UpSettings
from launcher.config.sign_in_checks import sign_in
from launcher.config.source_checks import unusable_sources
from launcher.config.struct_reader import FieldReader, FromEnvironment, joined, unknown
from launcher.config.toml_lines import line_numbers, line_of
from launcher.errors import ConfigError, Fault
from receiver.settings import Settings as ReceiverSettings
from sources.settings import Settings as SourceSettings
from worker.channels.settings import DEFAULT_CHANNELS, ChannelSettings
from worker.rules.rules import DEFAULT_RULES, Rule
from worker.settings import AlertSettings
from worker.settings import Settings as WorkerSettings

DEFAULT_FILE = Path("hookline.toml")
DEFAULT_SOURCE = "voucherify"

SECTIONS: dict[str, type[Struct]] = {
    "redis": RedisSettings,
    "receiver": ReceiverSettings,
    "worker": WorkerSettings,
    "alerts": AlertSettings,
    "inspector": InspectorSettings,
    "dead": DeadSettings,
    "history": HistorySettings,
    "up": UpSettings,
    "telemetry": TelemetrySettings,
    "log": LogSettings,
}
CHANNEL_KINDS: tuple[type[Struct], ...] = get_args(ChannelSettings) or (ChannelSettings,)
NAMED: dict[str, tuple[type[Struct], ...]] = {
    "sources": (SourceSettings,),
    "channels": CHANNEL_KINDS,
    "inspector.users": (User,),
}
_TOP = (*SECTIONS, "sources", "channels", "rules")


class Config(Struct, frozen=True, kw_only=True):
    """All settings of the config, checked."""

    redis: RedisSettings = RedisSettings()
    receiver: ReceiverSettings = ReceiverSettings()
    worker: WorkerSettings = WorkerSettings()
    alerts: AlertSettings = AlertSettings()
    inspector: InspectorSettings = InspectorSettings()
    dead: DeadSettings = DeadSettings()
    history: HistorySettings = HistorySettings()
    up: UpSettings = UpSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    log: LogSettings = LogSettings()
    sources: dict[str, SourceSettings]
    channels: dict[str, ChannelSettings]
    rules: tuple[Rule, ...] = DEFAULT_RULES

    @property
    def data_dir(self) -> Path:
        """The directory where `hookline up` keeps its data."""
        return Path(self.up.data_dir).expanduser().absolute()


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read `path`, else HOOKLINE_CONFIG, else ./hookline.toml if it exists; the environment wins over the file.

    Raises ConfigError with every fault.
    """
    file = config_file(path, environ)
    if file is None:
        return read({}, environ)
    text = _text(file)
    try:
        return read(_parsed(file, text), environ, directory=file.parent)
    except ConfigError as error:
        places = line_numbers(text)
        faults = (Fault(fault.path, fault.reason, line_of(fault.path, places)) for fault in error.faults)
        raise ConfigError(tuple(faults)) from None


def config_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file that `load` reads; None when no file is used."""
    if path is not None:
        return path
    if environ.get(CONFIG):
        return Path(environ[CONFIG])
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def read(tables: Mapping[str, Any], environ: Mapping[str, str], *, directory: Path = Path()) -> Config:
    """The config from these TOML tables and this environment.

    `directory`: `file:` paths are relative to it. Raises ConfigError with every fault.
    """
    document = copy.deepcopy(dict(tables))
    sections = {name: (kind,) for name, kind in SECTIONS.items()}
    faults = overlay(document, environ, sections=sections, named=NAMED)
    sources, channels = names_of(document, "sources"), names_of(document, "channels")
    reader = FieldReader(directory, checks(sources or [DEFAULT_SOURCE], [*DEFAULT_CHANNELS, *channels]))
    reader.faults.extend(faults)
    for key in document:
        if key not in _TOP:
            reader.fault(joined("", key), unknown("section", key, _TOP))
    redis = document.get("redis")
    if isinstance(redis, dict) and "url" in redis:
        redis["url"] = reader.from_file(redis["url"], "redis.url")
    users = _users(reader, document)
    values: dict[str, Any] = {
        name: reader.struct(kind, document[name], name) for name, kind in SECTIONS.items() if name in document
    }
    for section, kinds in (("sources", NAMED["sources"]), ("channels", NAMED["channels"])):
        if section in document:
            values[section] = _named(reader, document[section], section, kinds)
    if "rules" in document:
        values["rules"] = _rules(reader, document["rules"])
    if isinstance(values.get("inspector"), InspectorSettings):
        values["inspector"] = structs.replace(values["inspector"], users=users)
    rules_path = document["rules"].name if isinstance(document.get("rules"), FromEnvironment) else "rules"
    reader.faults.extend(Fault(path, reason) for path, reason in _across(values, rules_path))
    if reader.faults:
        raise ConfigError(tuple(sorted(set(reader.faults))))
    return Config(**_with_defaults(values))


def _across(values: Mapping[str, Any], rules_path: str) -> Iterator[tuple[str, str]]:
    """Yields (path, reason) for settings that are valid by themselves and contradict each other."""
    if isinstance(values.get("redis"), RedisSettings):
        yield from tls_files(values["redis"])
    if isinstance(values.get("receiver"), ReceiverSettings):
        yield from longest_answer(values["receiver"])
    if isinstance(values.get("inspector"), InspectorSettings):
        yield from unprotected_inspector(values["inspector"])
        yield from sign_in(values["inspector"])
    if isinstance(values.get("telemetry"), TelemetrySettings):
        yield from missing_extra(values["telemetry"])
    rules, sources = values.get("rules", ()), values.get("sources") or {DEFAULT_SOURCE: SourceSettings()}
    if all(isinstance(source, SourceSettings) for source in sources.values()):
        receiver = values.get("receiver") or ReceiverSettings()
        yield from unusable_sources(sources, receiver)
    yield from enrichment(rules, sources, rules_path)
    yield from contradictions(rules, rules_path)


def _with_defaults(values: dict[str, Any]) -> dict[str, Any]:
    return values | {
        "sources": values.get("sources") or {DEFAULT_SOURCE: SourceSettings()},
        "channels": DEFAULT_CHANNELS | values.get("channels", {}),
    }


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        reason = f"cannot read it: {error.strerror}"
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 at byte {error.start}"
    raise ConfigError((Fault(str(file), reason),))


def _parsed(file: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        reason = "not TOML: nested too deeply"
    except ValueError as error:  # TOMLDecodeError, and dates that do not exist
        reason = f"not TOML: {error}"
    raise ConfigError((Fault(str(file), reason),))


def _users(reader: FieldReader, document: dict[str, Any]) -> dict[str, Any]:
    """The users of the inspector, removed from its table."""
    table = document.get("inspector")
    if not isinstance(table, dict) or "users" not in table:
        return {}
    document["inspector"] = {key: value for key, value in table.items() if key != "users"}
    return _named(reader, table["users"], "inspector.users", NAMED["inspector.users"])


def _named(reader: FieldReader, tables: object, section: str, kinds: tuple[type[Struct], ...]) -> dict[str, Any]:
    structs_by_name: dict[str, Any] = {}
    alike: dict[str, str] = {}
    for name, table in reader.table(tables, section).items():
        path = joined(section, name)
        fault = name_fault(name)
        if fault:
            reader.fault(path, fault)
        other = alike.setdefault(as_variable(name), name)
        if other != name:
            reader.fault(
                path, f"too similar to {joined(section, other)}: their environment variables would be the same"
            )
        structs_by_name[name] = _section(reader, kinds, name, table, path)
    return structs_by_name


def _section(
    reader: FieldReader, kinds: tuple[type[Struct], ...], name: str, table: object, path: str
) -> Struct | None:
    if kinds is not CHANNEL_KINDS:
        return reader.struct(kinds[0], table, path)
    default = DEFAULT_CHANNELS.get(name)
    return reader.tagged(kinds, table, path, str(default.__struct_config__.tag) if default else None)


def _rules(reader: FieldReader, raw: object) -> tuple[Rule | None, ...]:
    path, items = "rules", raw
    if isinstance(raw, FromEnvironment):
        path = raw.name
        try:
            items = msgspec.json.decode(raw.text)
        except (ValueError, RecursionError):
            items = None
    if not isinstance(items, list):
        expected = "a JSON list of rules" if isinstance(raw, FromEnvironment) else "[[rules]] tables"
        reader.fault(path, f"expected {expected}")
        return ()
    return tuple(reader.struct(Rule, item, f"{path}[{index}]") for index, item in enumerate(items))
