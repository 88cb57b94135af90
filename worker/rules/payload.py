"""Payloads as JSON, of which only the needed keys are decoded: most sends pass the JSON on unchanged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import msgspec

from sources.errors import DecodeError
from sources.provider import Provider
from sources.shared.json_body import object_with
from sources.written_number import WrittenNumber, as_plain_json
from worker.templates.payload_keys import Keys

_whole = msgspec.json.Decoder(dict[str, Any], float_hook=WrittenNumber).decode
_whole_plain = msgspec.json.Decoder(dict[str, Any]).decode


class Payload(Mapping[str, Any]):
    """A JSON object that is decoded when it is first read. Reading it may raise DecodeError."""

    __slots__ = ("_decoded", "_excerpt", "json")

    def __init__(self, json: bytes) -> None:
        self.json = json
        self._decoded: dict[str, Any] | None = None
        self._excerpt: tuple[Excerpt, Mapping[str, Any]] | None = None

    def __getitem__(self, key: str) -> Any:
        return self.decoded()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.decoded())

    def __len__(self) -> int:
        return len(self.decoded())

    @property
    def is_decoded(self) -> bool:
        """True if the whole object was decoded before."""
        return self._decoded is not None

    def excerpt(self, excerpt: Excerpt) -> Mapping[str, Any]:
        """Return some of the keys. Raises DecodeError."""
        # The conditions of a rule and its texts read the same ones, one after the other.
        if self._excerpt is None or self._excerpt[0] is not excerpt:
            self._excerpt = excerpt, excerpt.of(self.json)
        return self._excerpt[1]

    def decoded(self) -> dict[str, Any]:
        """The whole object as a plain dict, which must not be changed. Raises DecodeError."""
        if self._decoded is None:
            try:
                self._decoded = _whole(self.json)
            except (ValueError, RecursionError) as error:
                raise DecodeError(str(error)) from None
        return self._decoded

    def plain(self) -> dict[str, Any]:
        """A copy of the object in which numbers with a fraction are plain floats. Raises DecodeError."""
        if self._decoded is None:
            try:
                return _whole_plain(self.json)
            except (ValueError, RecursionError):
                pass  # a number is larger than a plain float, or the whole cannot be read
        return as_plain_json(self.decoded())


class Views:
    """Reads what some templates need of the payloads in bodies."""

    def __init__(self, keys: Keys) -> None:
        """keys: those that the templates read."""
        self._keys = keys
        self._readers: dict[str, Callable[[bytes], Mapping[str, Any]]] = {}  # by source

    def read(self, source: str, kind: Provider, body: bytes) -> Mapping[str, Any]:
        """Return the keys, and further ones where that is not slower. Raises DecodeError."""
        reader = self._readers.get(source)
        if reader is None:
            reader = kind.view if kind.excerpt is None or self._keys is None else kind.excerpt(self._keys)
            self._readers[source] = reader
        return reader(body)


class Excerpt:
    """Decodes some of a payload's keys, and skips the others."""

    def __init__(self, names: Collection[str]) -> None:
        self._decode: Callable[[bytes], dict[str, Any]]
        self._decode = msgspec.json.Decoder(object_with(names), float_hook=WrittenNumber).decode

    def of(self, json: bytes) -> Mapping[str, Any]:
        """The keys that a JSON object has. Raises DecodeError."""
        try:
            return self._decode(json)
        except (ValueError, RecursionError) as error:
            raise DecodeError(str(error)) from None
