"""A provider's API, where notifications look up data that their payload lacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from sources.secret import Secret


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A source's `api` table: access to the API of its provider."""

    region: str = "eu1"
    """The region that hosts the project (voucherify: eu1, us1, as1). For a dedicated cluster set `url` instead."""

    url: str = ""
    """Address of the API instead of the region's, without the API's version: of a dedicated cluster, or of a
    proxy. The token is sent there, so use https."""

    app_id: Annotated[str, Meta(pattern="^[!-~]+$")]
    """The application id, which the provider's dashboard shows beside the token."""

    token: Secret
    """The API token, from the environment or as "file:/path"."""

    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 5.0
    """Seconds that one request may take, without its time in the queue; after a timeout it is tried again."""

    cache_s: Annotated[float, Meta(ge=0)] = 300.0
    """Seconds for which an answer is used again. The answer that an object does not exist is used for 60 s at
    most; other errors are not cached."""

    cache_size: Annotated[int, Meta(ge=1)] = 1000
    """Answers that one worker process caches, each of 64 KB at most; the least recently used are removed."""

    rate_per_s: Annotated[float, Meta(gt=0)] = 1.0
    """Requests per second of one worker process; further ones wait. Voucherify limits all clients of a project
    together; its Business plan allows 100 requests per minute."""

    concurrency: Annotated[int, Meta(ge=1)] = 8
    """Concurrent requests of one worker process; further ones wait."""


class LookUp(Struct, frozen=True):
    """A request to the API."""

    key: str
    """The key of the payload under which the answer is inserted."""

    path: str
    """The path of the GET request, relative to the API's address and quoted as in a URL."""


class Api(Struct, frozen=True):
    """A provider's API, as pure functions without I/O."""

    regions: Mapping[str, str]
    """The address of each region, by its name."""

    headers: Callable[[str, Secret], dict[str, str]]
    """(app id, token) -> the headers that authenticate a request."""

    lookups: Mapping[str, Callable[[Mapping[str, Any]], LookUp | None]]
    """The lookups by the names that rules use: payload, as templates see it -> the request; None if the payload
    does not identify the object."""


def filled(payload: Mapping[str, Any], key: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """The payload with the answer under `key`. Values that the payload has there stay, unless they are null."""
    present = payload.get(key)
    if isinstance(present, Mapping):
        answer = {**answer, **{name: value for name, value in present.items() if value is not None}}
    return {**payload, key: answer if present is None or isinstance(present, Mapping) else present}
