"""The places where a configured provider finds a value: `header:NAME`, `path:PATH`, or for a time `part:NAME`."""

from __future__ import annotations

import re

from msgspec import Struct

from sources.configured.json_path import JsonPath, parse_path

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_PART_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")


class Place(Struct, frozen=True):
    """A place in a request. One of the three is set; none of them if the value is nowhere."""

    header: str = ""
    """The name of a header, in lower case."""

    path: JsonPath | None = None
    """The path in the JSON of an event's body."""

    part: str = ""
    """The name of a part of the signature header, such as `t` in `t=1700000000,v1=...`."""


def header_name(text: str) -> str:
    """The name of a header in lower case. Raises ValueError."""
    if not _HEADER_NAME.fullmatch(text):
        raise ValueError("no header can have this name: write it like x-shop-signature")
    return text.lower()


def place_of_value(text: str) -> Place:
    """Parse the place of an event's name or id. Raises ValueError."""
    kind, _, name = text.partition(":")
    if not text:
        return Place()
    if kind == "header":
        return Place(header=header_name(name))
    if kind == "path":
        path = parse_path(name)
        if not path:
            raise ValueError("the path names the whole body: write it like path:type")
        return Place(path=path)
    raise ValueError("write it like header:x-event or path:data.type")


def place_of_time(text: str) -> Place:
    """Parse the place of a signature's time. Raises ValueError."""
    kind, _, name = text.partition(":")
    if not text:
        return Place()
    if kind == "header":
        return Place(header=header_name(name))
    if kind == "part" and _PART_NAME.fullmatch(name):
        return Place(part=name)
    raise ValueError("write it like header:x-timestamp, or like part:t for a part of the signature's header")
