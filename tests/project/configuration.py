"""docs/configuration.md, made from the structs that hold the settings.

`python -m tests.project.configuration` writes it anew.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from inspector.settings import User
from launcher.config.config import CHANNEL_KINDS, SECTIONS
from launcher.config.struct_reader import bare, is_of_structs
from sources.settings import Settings as SourceSettings
from worker.channels.settings import DEFAULT_CHANNELS
from worker.rules.rules import DEFAULT_RULES, Rule

FILE = Path(__file__).parents[2] / "docs" / "configuration.md"

HEAD = """\
# Configuration

Made from the code by `python -m tests.project.configuration`; a test keeps it so.

One file, and it is optional: `--config PATH`, else the file that `HOOKLINE_CONFIG` names, else `./hookline.toml`.
Every setting has a default that works, and an environment variable that wins over the file. Lists are separated by
commas in a variable, tables read `name=value,name=value`, and an empty variable counts as not set. All faults are
reported at once; `hookline check` reports them without starting anything. It also reports what is sound and cannot
work: an e-mail rule without a recipient, an `http` channel to a private address without `allow_private`. It notes
events that no source is known to send, with the nearest name, and secrets that stand in the file or in files that
every user of the machine can read.

Secrets never stand in the file: they come from the environment, or from a file of their own that is named as
`"file:/path"` (a relative path starts at the config file).
"""


def document() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_lines()])


def _lines() -> Iterator[str]:
    for name, section in SECTIONS.items():
        yield from _section(f"[{name}]", section, f"HOOKLINE_{name.upper()}")
        if name == "redis":
            yield "`REDIS_URL` sets `url` too; `HOOKLINE_REDIS_URL` wins over it.\n"
        if name == "inspector":
            yield from _section("[inspector.users.NAME]", User, "HOOKLINE_INSPECTOR_USERS_NAME")
    yield from _section("[sources.NAME]", SourceSettings, "HOOKLINE_SOURCES_NAME")
    yield "NAME is the last part of the webhooks' URL. Without any, there is one source: `voucherify`.\n"
    for kind in CHANNEL_KINDS:
        title = f'[channels.NAME] with kind = "{kind.__struct_config__.tag}"'
        yield from _section(title, kind, "HOOKLINE_CHANNELS_NAME")
    yield f"Always there: {', '.join(f'`{name}`' for name in DEFAULT_CHANNELS)}.\n"
    yield from _section("[[rules]]", Rule, "")
    yield "`HOOKLINE_RULES` gives all rules as a JSON list. Without any rule this one holds:\n"
    yield "```json"
    yield msgspec.json.format(msgspec.json.encode(DEFAULT_RULES), indent=2).decode()
    yield "```\n"


def _section(title: str, kind: type[Struct], prefix: str) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"{inspect.getdoc(kind)}\n"
    yield "| Setting | Default | What |"
    yield "|---|---|---|"
    for name, default, told in _settings(kind):
        variable = f"<br>`{prefix}_{name.upper().replace('.', '_')}`" if prefix else ""
        yield f"| `{name}`{variable} | {default} | {told} |"
    yield ""


def _settings(kind: type[Struct]) -> Iterator[tuple[str, str, str]]:
    told = docstrings(kind)
    for field in structs.fields(kind):
        inner = bare(field.type)
        if isinstance(inner, type) and issubclass(inner, Struct):
            yield from ((f"{field.name}.{name}", *rest) for name, *rest in _settings(inner))
        elif not is_of_structs(field.type):
            yield field.encode_name, _default(field), told[field.name]


def _default(field: structs.FieldInfo) -> str:
    if field.required:
        return "(needed)"
    value: Any = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None or value in ("", (), {}):
        return ""
    return f"`{msgspec.json.encode(value).decode()}`"


def docstrings(kind: type[Struct]) -> dict[str, str]:
    """The text under each field, which is where the settings' meaning is written."""
    found: dict[str, str] = docstrings(kind.__base__) if kind.__base__ not in (None, Struct) else {}
    (tree,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(tree, ast.ClassDef)
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        told = text.value if isinstance(text, ast.Expr) else None
        if isinstance(field, ast.AnnAssign) and isinstance(told, ast.Constant):
            assert isinstance(field.target, ast.Name)
            found[field.target.id] = " ".join(str(told.value).split())
    return found


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
