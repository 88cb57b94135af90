"""The value of a missing name in a template: an error that names the keys that exist, or its default."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from jinja2 import StrictUndefined

_MAX_KEYS = 20
_MAX_CHARS = 40


class MissingName(StrictUndefined):
    """A missing name. Its fields are missing too, so that `x.name | default('')` works without `x`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> MissingName:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, key: object) -> MissingName:  # type: ignore[override]
        return self

    @property
    def _undefined_message(self) -> str:
        """The text of the error. It may quote a value, where a template reads `x[some.value]`."""
        message = super()._undefined_message
        if isinstance(self._undefined_obj, dict):
            return message + hint(str(self._undefined_name), self._undefined_obj)
        return message


def hint(name: str, keys: Iterable[Any]) -> str:
    """The keys that exist and the one most similar to the missing one, shortened and escaped. Never a value."""
    names = sorted(str(key)[:_MAX_CHARS] for key in keys)
    if not names:
        return "; it has no keys"
    more = f" and {len(names) - _MAX_KEYS} more" if len(names) > _MAX_KEYS else ""
    near = difflib.get_close_matches(name[:_MAX_CHARS], names[:1000], n=1)
    meant = f"; did you mean {near[0]!a}?" if near else ""
    return f"; the keys are {', '.join(ascii(key) for key in names[:_MAX_KEYS])}{more}{meant}"
