"""Renders notifications: the rules' templates on an event's payload."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from worker.rules.payload import Excerpt, Payload
from worker.rules.retry import RetrySettings
from worker.rules.rules import Rule, retry_of
from worker.templates.formats import Formats
from worker.templates.payload_keys import Keys, union
from worker.templates.template import Expression, RenderError, Template

__all__ = ["Message", "RenderError", "Rendered", "Renderer"]


class Message(Struct, frozen=True):
    """A rendered notification, ready for a channel."""

    key: str
    """The idempotency key of the notification."""

    rule: str
    source: str
    event: str
    text: str
    data: Mapping[str, Any]
    """The payload with all its keys. A `Payload` may raise DecodeError when it is read."""

    data_json: bytes = b""
    """The payload as JSON where it is available; else b""."""

    attempt: int = 1
    to: str = ""
    """The recipient, for channels that have recipients."""

    subject: str = ""
    html: str = ""
    """The text as HTML; "" for none."""

    raw: bytes = b""
    """The body of the webhook, as received."""

    traceparent: str = ""
    """The trace context of this attempt, for channels that can pass it on; "" without a trace."""


class Rendered(Struct, frozen=True):
    """The rendered templates of a rule; "" for each that the rule does not have."""

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
        self.condition_keys = _keys(self.when, self.key, self.digest_key)
        keys = union([self.condition_keys, _keys(self.text, self.to, self.subject, self.html)])
        self.excerpt = None if keys is None else Excerpt(keys)


def _keys(*parts: Template | Expression | None) -> Keys:
    return union(part.keys for part in parts if part)


class Renderer:
    """The compiled templates of all rules. `seen` is always the result of `seen_by_templates`.

    Creating one raises where a template does not compile; a checked config has no such template.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = {rule.name: _Compiled(rule) for rule in rules}
        self.names = frozenset(self._rules)
        self._latest_only = {name for name, compiled in self._rules.items() if compiled.latest_only}

    def condition_keys(self) -> Keys:
        """Return the keys of a payload that the rules need for `when`, `key` and the key of a digest."""
        return union(compiled.condition_keys for compiled in self._rules.values())

    def subject_keys(self) -> Keys:
        """Return the keys of a payload that the rules need for `latest_only`."""
        return union(_keys(compiled.latest_only) for compiled in self._rules.values())

    def needs_payload(self, rule: str) -> bool:
        """Return whether the rule has a `when`, a `key` or a digest. Raises RenderError."""
        compiled = self._of(rule)
        return compiled.when is not None or compiled.key is not None or compiled.digest_key is not None

    def when_is_true(self, rule: str, seen: dict[str, Any]) -> bool:
        """Evaluate the rule's `when`; True for a rule without one. Raises RenderError."""
        when = self._of(rule).when
        return when is None or when.is_true(seen)

    def is_wanted(self, rule: str, seen: dict[str, Any]) -> bool:
        """Return whether the rule's `when` is true. Raises RenderError, also where a key of it fails."""
        if not self.when_is_true(rule, seen):
            return False
        self.key(rule, seen)
        self.digest_key(rule, seen)
        return True

    def key(self, rule: str, seen: dict[str, Any]) -> str:
        """Render the rule's `key`, "" for a rule without one.

        Raises RenderError, also where the result is empty.
        """
        template = self._of(rule).key
        if template is None:
            return ""
        key = template.text(seen)
        if not key.strip():
            raise RenderError(f"key of rule {rule!r}: it is empty", "key")
        return key

    def digest_key(self, rule: str, seen: dict[str, Any]) -> str:
        """Evaluate the key of the rule's digest, "" for a rule without one. Raises RenderError."""
        expression = self._of(rule).digest_key
        return expression.text(seen) if expression else ""

    def latest_only(self, rule: str) -> bool:
        """Return whether the rule has `latest_only`."""
        return rule in self._latest_only

    def is_digest(self, rule: str) -> bool:
        """Return whether the rule has a digest. Raises RenderError."""
        return self._of(rule).digest_key is not None

    def subject(self, rule: str, seen: dict[str, Any]) -> str:
        """Evaluate the rule's `latest_only`, "" for a rule without one. Raises RenderError."""
        expression = self._of(rule).latest_only
        return expression.text(seen) if expression else ""

    def read(self, rule: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """The keys of a payload that the rule's templates read, where it is JSON; else all of them.

        Raises RenderError and DecodeError.
        """
        if not isinstance(payload, Payload):
            return payload
        excerpt = None if payload.is_decoded else self._of(rule).excerpt
        # `data` must be a plain dict: the sandbox measures no other mapping, and filters accept no other.
        return payload.excerpt(excerpt) if excerpt else payload.decoded()

    def render(self, rule: str, seen: dict[str, Any]) -> Rendered:
        """Render the rule's templates. Raises RenderError, which names a missing key."""
        compiled = self._of(rule)
        return Rendered(
            text=compiled.text.text(seen) if compiled.text else "",
            to=compiled.to.line(seen) if compiled.to else "",
            subject=compiled.subject.line(seen) if compiled.subject else "",
            html=compiled.html.text(seen) if compiled.html else "",
        )

    def retry(self, rule: str, channel: RetrySettings) -> RetrySettings:
        """The retry settings for what this rule sends through a channel with these settings."""
        compiled = self._rules.get(rule)
        return retry_of(compiled.rule, channel) if compiled else channel

    def _of(self, rule: str) -> _Compiled:
        compiled = self._rules.get(rule)
        if compiled is None:
            raise RenderError(f"no rule named {rule!r} in this worker's config")
        return compiled
