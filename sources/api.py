"""A provider's API: what a notification can look up that its payload lacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from sources.secret import Secret


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A source's `api` table: how its provider is asked."""

    region: str = "eu1"
    """Where the project is hosted (voucherify: eu1, us1, as1); a cluster of its own is given by `url`."""

    url: str = ""
    """Address to ask instead of the region's, without the API's version: of a cluster of its own, or of a proxy.
    The token goes there, so let it be https."""

    app_id: Annotated[str, Meta(pattern="^[!-~]+$")]
    """Which project asks, as the provider's dashboard shows it beside the token."""

    token: Secret
    """What lets it ask: by the environment, or as "file:/path"."""

    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 5.0
    """Seconds for one request, its time in line not counted; a time-out is tried again."""

    cache_s: Annotated[float, Meta(ge=0)] = 300.0
    """Seconds for which an answer is used again. That the provider knows no such object is believed for 60 s at
    most; no other failure is kept."""

    cache_size: Annotated[int, Meta(ge=1)] = 1000
    """Answers that one worker process keeps, of 64 KB at most each; beyond, those unused for longest go."""

    rate_per_s: Annotated[float, Meta(gt=0)] = 1.0
    """Requests a second of one worker process. Voucherify counts those of all of a project's clients; its Business
    plan allows 100 a minute."""

    concurrency: Annotated[int, Meta(ge=1)] = 8
    """Requests at a time in one worker process."""


class LookUp(Struct, frozen=True):
    """One question to the API."""

    key: str
    """The payload's key that the answer belongs under."""

    path: str
    """What to GET, from the root of the API's address, quoted as in a URL."""


class Api(Struct, frozen=True):
    """How a provider is asked, as pure functions without I/O."""

    regions: Mapping[str, str]
    """Address by region name."""

    headers: Callable[[str, Secret], dict[str, str]]
    """(app id, token) -> the headers that let us ask."""

    lookups: Mapping[str, Callable[[Mapping[str, Any]], LookUp | None]]
    """What can be looked up, by the name that rules ask for it: payload, as templates see it -> the question; None
    where the payload does not tell whom to ask for."""


def filled(payload: Mapping[str, Any], key: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """The payload with what it lacks under `key`. What it has there stays, unless it is null."""
    given = payload.get(key)
    if isinstance(given, Mapping):
        answer = {**answer, **{name: value for name, value in given.items() if value is not None}}
    return {**payload, key: answer if given is None or isinstance(given, Mapping) else given}
