"""Writes docs/configuration.md from the structs that hold the settings: `python -m tools.configuration`."""

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

FILE = Path(__file__).parents[1] / "docs" / "configuration.md"

HEAD = """\
# Configuration

Every setting, with its default and its environment variable. `make docs` writes this page from the code, and a
test checks that it is up to date.

The config file is optional. Hookline reads the file that `--config PATH` names, otherwise the one that
`HOOKLINE_CONFIG` names, otherwise `./hookline.toml`. Every setting has a default that works. An environment
variable wins over the file: in a variable, lists are separated by commas, tables are written
`name=value,name=value`, and an empty variable counts as not set.

Keep secrets out of the file. Set them in the environment, or put each into a file of its own and name that file
as `"file:/path"` (a relative path starts at the directory of the config file).

Every command that reads the config reports all of its errors together; `hookline check` does so without starting
anything. It also reports settings that are valid and cannot work, such as an e-mail rule without a recipient or
an `http` channel to a private address without `allow_private`. It warns of events that no source is known to
send (with the nearest name), and of secrets in the config file or in files that every user of the machine can
read.
"""


def document() -> str:
    """Return the text of the whole page."""
    return "\n".join([HEAD, *_lines()])


def _lines() -> Iterator[str]:
    for name, section in SECTIONS.items():
        yield from _section(f"[{name}]", section, f"HOOKLINE_{name.upper()}")
        if name == "redis":
            yield "`REDIS_URL` sets `url` too, and `HOOKLINE_REDIS_URL` wins over it.\n"
        if name == "inspector":
            yield from _section("[inspector.users.NAME]", User, "HOOKLINE_INSPECTOR_USERS_NAME")
    yield from _section("[sources.NAME]", SourceSettings, "HOOKLINE_SOURCES_NAME")
    yield "NAME is the last part of the webhooks' URL. If no source is configured, there is one: `voucherify`.\n"
    for kind in CHANNEL_KINDS:
        title = f'[channels.NAME] with kind = "{kind.__struct_config__.tag}"'
        yield from _section(title, kind, "HOOKLINE_CHANNELS_NAME")
    yield f"These channels always exist: {', '.join(f'`{name}`' for name in DEFAULT_CHANNELS)}.\n"
    yield from _section("[[rules]]", Rule, "")
    yield "`HOOKLINE_RULES` sets all rules, as a JSON list. If no rule is configured, this one applies:\n"
    yield "```json"
    yield msgspec.json.format(msgspec.json.encode(DEFAULT_RULES), indent=2).decode()
    yield "```\n"


def _section(title: str, kind: type[Struct], prefix: str) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"{inspect.getdoc(kind)}\n"
    yield "| Setting | Default | Meaning |"
    yield "|---|---|---|"
    for name, default, meaning in _settings(kind):
        variable = f"<br>`{prefix}_{name.upper().replace('.', '_')}`" if prefix else ""
        yield f"| `{name}`{variable} | {default} | {meaning} |"
    yield ""


def _settings(kind: type[Struct]) -> Iterator[tuple[str, str, str]]:
    meanings = docstrings(kind)
    for field in structs.fields(kind):
        inner = bare(field.type)
        if isinstance(inner, type) and issubclass(inner, Struct):
            yield from ((f"{field.name}.{name}", default, meaning) for name, default, meaning in _settings(inner))
        elif not is_of_structs(field.type):
            yield field.encode_name, _default(field), meanings[field.name]


def _default(field: structs.FieldInfo) -> str:
    if field.required:
        return "(required)"
    value: Any = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None or value in ("", (), {}):
        return ""
    return f"`{msgspec.json.encode(value).decode()}`"


def docstrings(kind: type) -> dict[str, str]:
    """Return the docstring below each field, by the field's name; inherited fields are included."""
    texts: dict[str, str] = {}
    for base in kind.__bases__:
        texts |= docstrings(base) if base not in (Struct, object) else {}
    (tree,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(tree, ast.ClassDef)
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        docstring = text.value if isinstance(text, ast.Expr) else None
        if isinstance(field, ast.AnnAssign) and isinstance(docstring, ast.Constant):
            assert isinstance(field.target, ast.Name)
            texts[field.target.id] = " ".join(str(docstring.value).split())
    return texts


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
