"""A request as its provider signed it, and the answer to a handshake."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

Headers = Mapping[str, str]

NO_HEADERS: Headers = {}
"""For events that no header names or identifies."""


class SignedRequest(Struct, frozen=True, gc=False):
    """The parts of a request that a provider may sign."""

    body: bytes
    """The raw bytes, exactly as they arrived."""

    headers: Headers
    """All headers. `get` finds a name in any case; providers write it in lower case. Of several headers with the
    same name it returns the first."""

    method: str = "POST"
    url: str = ""
    """The URL that the provider called: `receiver.public_url` with the path and query of the request. Without that
    setting it is the path and query alone."""

    now_s: float = 0.0
    """The time of receipt by the clock of this host, in seconds since 1970."""


class Answer(Struct, frozen=True):
    """The answer to a handshake, which is not stored."""

    status: int = 200
    content_type: str = "text/plain"
    body: bytes = b""
    """At most MAX_ANSWER_BYTES; a longer answer is a defect of the provider's code."""


MAX_ANSWER_BYTES = 1024


def kept_headers(lines: str) -> Headers:
    """The headers that are stored with a body as lines of `name: value`, by their names in lower case."""
    return dict(line.split(": ", 1) for line in lines.split("\n") if ": " in line)
