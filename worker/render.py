"""Event to notification text: the templates of the rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import Struct

from worker.rules import Rule


class Message(Struct, frozen=True):
    """A rendered notification, as a channel gets it."""

    key: str
    """Idempotency key."""

    rule: str
    source: str
    event: str
    text: str
    data: Mapping[str, Any]
    """The payload, every key of it."""

    attempt: int = 1
    to: str = ""
    """Whom it is for, where the channel can address somebody."""

    subject: str = ""
    html: str = ""
    """The text once more, as HTML; "" for none."""

    raw: bytes = b""
    """The body as it was received."""


class RenderError(Exception):
    """A template does not work on this payload."""


class Renderer:
    """The compiled templates of all rules."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        self._texts: dict[str, Template] = {rule.name: environment.from_string(rule.text) for rule in rules}
        for template in self._texts.values():
            template.globals = dict(template.globals)  # each rendering copies them, and a ChainMap is slow to copy

    def text(self, rule: str, payload: Mapping[str, Any]) -> str:
        """The rule's text for a payload. Raises RenderError, which names what is missing."""
        template = self._texts.get(rule)
        if template is None:
            raise RenderError(f"no rule named {rule!r} in this worker's config")
        try:
            return template.render(payload)
        except TemplateError as error:
            raise RenderError(f"text of rule {rule!r}: {error}") from None
        except Exception as error:  # noqa: BLE001 - a template may do anything with a payload: 1 + "a", 1 / 0
            raise RenderError(f"text of rule {rule!r}: {type(error).__name__}: {error}") from None
