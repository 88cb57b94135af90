"""`hookline init`: writes a config file for some providers, with comments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from launcher.config.config import DEFAULT_FILE
from launcher.config.environment import as_variable
from launcher.config.struct_reader import did_you_mean
from launcher.errors import LauncherError
from receiver.settings import Settings as ReceiverSettings
from sources import KINDS
from sources.provider import Provider
from sources.source_kinds import CONFIGURED, kind_names

_HEAD = """\
# The settings of Hookline. docs/configuration.md lists all of them, and `hookline check` checks this file.
# Secrets do not belong in this file: set the variables that are named below.
"""

_SPILL = """
# Directory for webhooks that arrive while Redis is unavailable:
# spill_dir = "spill"
"""

_TABLES = {
    "hmac": """
# How the provider signs. docs/providers.md shows the lines of common schemes.
[sources.hmac.hmac]
header = "x-signature"
# prefix = "sha256="
encoding = "hex"
signed = "{body}"
# event = "header:x-event"
# id = "path:id"
""",
    "token": """
# The header with the token; for HTTP basic authentication: basic = true, without header.
[sources.token.token]
header = "x-token"
# event = "header:x-event"
# id = "path:id"
""",
    "none": """
# The places of an event's name and id.
[sources.none.none]
event = "path:type"
id = "path:id"
""",
}


class InitError(LauncherError):
    """The file cannot be written, or a provider is unknown."""

    exit_code = 2


def init(
    ctx: typer.Context,
    providers: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PROVIDER]...", help=f"Any of: {', '.join(kind_names())}.", show_default=False),
    ] = None,
) -> None:
    """Write hookline.toml, with comments, for these providers; without one, for Voucherify.

    Never replaces a file. The option --config before init names another one. Prints the variables of the secrets.

    Example: hookline init github standard
    """
    names = list(dict.fromkeys(providers or ["voucherify"]))
    for name in names:
        if name not in kind_names():
            raise InitError(
                f"{name}: no such provider{did_you_mean(name, kind_names())}; see hookline init --help"
            )
    file = ctx.obj.file() or DEFAULT_FILE
    _write(file, config_text(names))
    typer.echo(f"Wrote {file}. Next:")
    for step, line in enumerate(_next_steps(names), start=1):
        typer.echo(f"  {step}. {line}")


def config_text(names: Sequence[str]) -> str:
    """The text of a config file with a source and a rule for each of these kinds."""
    return "".join([_HEAD, *_receiver(names), *(part for name in names for part in _source(name))])


def _receiver(names: Sequence[str]) -> Iterator[str]:
    kinds = [KINDS[name] for name in names if name in KINDS]
    yield "\n[receiver]\n"
    if any(kind.signs_url for kind in kinds):
        yield "# The beginning of the URL that the provider calls, which it signs. Replace it:\n"
        yield 'public_url = "https://hooks.example.com"\n'
    yield from _timeouts(kinds)
    yield _SPILL.lstrip()


def _timeouts(kinds: Sequence[Provider]) -> Iterator[str]:
    """The limits of an answer, where a provider does not wait as long as they are by default."""
    shortest = min(kinds, key=lambda kind: kind.deadline_s, default=None)
    default = ReceiverSettings()
    if shortest is None or default.body_timeout_s + default.flush_timeout_s < shortest.deadline_s:
        return
    yield f"# {shortest.title} waits {shortest.deadline_s:g} s for an answer:\n"
    yield f"body_timeout_s = {0.4 * shortest.deadline_s:.1f}\n"
    yield f"flush_timeout_s = {0.4 * shortest.deadline_s:.1f}\n"


def _source(name: str) -> Iterator[str]:
    title = KINDS[name].title if name in KINDS else "your provider"
    yield f"\n# Enter this URL at {title}: https://YOUR-HOST/webhooks/{name}\n"
    yield f'[sources.{name}]\nkind = "{name}"\n'
    if name == "none":
        yield "# Nothing is signed, so only these addresses or networks may send. Replace them:\n"
        yield 'addresses = ["192.0.2.0/24"]\n'
    else:
        yield f"# The secret: set {_variable(name)}, or name its file:\n"
        yield f'# secrets = ["file:/run/secrets/{name}"]\n'
    yield _TABLES.get(name, "")
    example = "" if name in CONFIGURED else f', such as "{KINDS[name].sample_event}"'
    yield f'\n[[rules]]\nname = "{name}"\nsources = ["{name}"]\n'
    yield f'# The names of the events{example}; "*" is any text.\nevents = ["*"]\n'
    yield '# Other channels: http, email, apprise, python, file. See docs/channels.md.\nchannel = "console"\n'


def _next_steps(names: Sequence[str]) -> Iterator[str]:
    variables = [_variable(name) for name in names if name != "none"]
    if variables:
        yield f"Set the secrets: {', '.join(variables)}"
    yield "hookline check"
    yield "hookline up"


def _variable(name: str) -> str:
    return f"HOOKLINE_SOURCES_{as_variable(name)}_SECRETS"


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise InitError(
            f"{file} exists: it is never replaced; move it, or give another name: --config FILE"
        ) from None
    except OSError as error:
        raise InitError(f"{file}: cannot write it: {error.strerror}") from None
