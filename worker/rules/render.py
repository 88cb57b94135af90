"""Event to notification: what the rules' templates make of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from worker.rules.payload import Excerpt, Payload
from worker.rules.retry import RetrySettings
from worker.rules.rules import Rule, retry_of
from worker.templates.formats import Formats
from worker.templates.template import Expression, RenderError, Template

__all__ = ["Message", "RenderError", "Rendered", "Renderer"]


class Message(Struct, frozen=True):
    """A rendered notification, as a channel gets it."""

    key: str
    """Idempotency key."""

    rule: str
    source: str
    event: str
    text: str
    data: Mapping[str, Any]
    """The payload, every key of it. One that is at hand as JSON may raise DecodeError when it is looked into."""

    data_json: bytes = b""
    """Its JSON, where it is at hand; b"" where not."""

    attempt: int = 1
    to: str = ""
    """Whom it is for, where the channel can address somebody."""

    subject: str = ""
    html: str = ""
    """The text once more, as HTML; "" for none."""

    raw: bytes = b""
    """The body as it was received."""


class Rendered(Struct, frozen=True):
    """What a rule's templates made of a payload; "" for each that the rule does not have."""

    text: str = ""
    to: str = ""
    subject: str = ""
    html: str = ""


class _Compiled:
    """The templates of one rule."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        formats = Formats(rule.locale, rule.timezone)

        def template(what: str, source: str, *, is_html: bool = False) -> Template | None:
            return Template(f"{what} of rule {rule.name!r}", source, formats, is_html=is_html) if source else None

        self.when = Expression(f"when of rule {rule.name!r}", rule.when, formats) if rule.when else None
        self.digest_key = (
            Expression(f"digest.key of rule {rule.name!r}", rule.digest.key, formats) if rule.digest else None
        )
        self.latest_only = (
            Expression(f"latest_only of rule {rule.name!r}", rule.latest_only, formats)
            if rule.latest_only
            else None
        )
        self.key = template("key", rule.key)
        self.text = template("text", rule.text)
        self.to = template("to", rule.to)
        self.subject = template("subject", rule.subject)
        self.html = template("html", rule.html, is_html=True)
        templates = [one for one in (self.text, self.to, self.subject, self.html) if one]
        names: frozenset[str] = frozenset().union(*(one.names for one in templates))
        self.excerpt = Excerpt(names) if "data" not in names else None  # `data` is the whole of it


class Renderer:
    """The compiled templates of all rules. `seen` is always what `seen_by_templates` made.

    To compile one raises; a checked config has only rules that do compile.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = {rule.name: _Compiled(rule) for rule in rules}
        self.names = frozenset(self._rules)
        self._latest_only = {name for name, compiled in self._rules.items() if compiled.latest_only}

    def asks_payload(self, rule: str) -> bool:
        """Whether the rule has a `when`, a `key` or a digest. Raises RenderError."""
        compiled = self._of(rule)
        return compiled.when is not None or compiled.key is not None or compiled.digest_key is not None

    def holds(self, rule: str, seen: Mapping[str, Any]) -> bool:
        """Whether the rule's `when` is true; without one it is. Raises RenderError."""
        when = self._of(rule).when
        return when is None or when.holds(seen)

    def key(self, rule: str, seen: Mapping[str, Any]) -> str:
        """What the rule's `key` makes, "" for a rule without one. Raises RenderError, also where it is empty."""
        template = self._of(rule).key
        if template is None:
            return ""
        key = template.text(dict(seen))
        if not key.strip():
            raise RenderError(f"key of rule {rule!r}: it is empty", "key")
        return key

    def digest_key(self, rule: str, seen: Mapping[str, Any]) -> str:
        """What the key of the rule's digest comes to, "" for a rule without one. Raises RenderError."""
        expression = self._of(rule).digest_key
        return expression.text(seen) if expression else ""

    def latest_only(self, rule: str) -> bool:
        """Whether of this rule's notifications only the latest counts."""
        return rule in self._latest_only

    def is_digest(self, rule: str) -> bool:
        """Whether the rule's templates are for digests. Raises RenderError."""
        return self._of(rule).digest_key is not None

    def subject(self, rule: str, seen: Mapping[str, Any]) -> str:
        """What the rule's `latest_only` comes to, "" for a rule without one. Raises RenderError."""
        expression = self._of(rule).latest_only
        return expression.text(seen) if expression else ""

    def read(self, rule: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """What `render` needs of a payload: of one that is at hand as JSON, what the rule's templates name.

        Raises RenderError and DecodeError.
        """
        if not isinstance(payload, Payload):
            return payload
        excerpt = self._of(rule).excerpt
        # `data` must be a plain dict: only of those the sandbox knows the length, and filters take no other.
        return excerpt.of(payload) if excerpt else payload.decoded()

    def render(self, rule: str, seen: dict[str, Any]) -> Rendered:
        """The rule's notification. Raises RenderError, which names what is missing."""
        compiled = self._of(rule)
        return Rendered(
            text=compiled.text.text(seen) if compiled.text else "",
            to=compiled.to.line(seen) if compiled.to else "",
            subject=compiled.subject.line(seen) if compiled.subject else "",
            html=compiled.html.text(seen) if compiled.html else "",
        )

    def retry(self, rule: str, channel: RetrySettings) -> RetrySettings:
        """The retry settings of a channel for what this rule sends through it."""
        compiled = self._rules.get(rule)
        return retry_of(compiled.rule, channel) if compiled else channel

    def _of(self, rule: str) -> _Compiled:
        compiled = self._rules.get(rule)
        if compiled is None:
            raise RenderError(f"no rule named {rule!r} in this worker's config")
        return compiled
