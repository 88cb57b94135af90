"""The tables `[sources.NAME.hmac]`, `[sources.NAME.token]` and `[sources.NAME.none]`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct


class EventSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The places of an event's name and id, and the answer that the provider expects. It is the whole table
    `[sources.NAME.none]`."""

    event: str = ""
    """Place of the event's name: `header:NAME`, or `path:PATH` in the JSON body, such as `path:data.type` or
    `path:items[0].type`. If it is not there, the name is `unknown`. Empty: `?event=` in the webhook's URL names
    the event, and `events` of the source lists the names, or `url_key` authenticates them."""

    id: str = ""
    """Place of the id that identifies the event: `header:NAME` or `path:PATH`. A header that `signed` does not
    hold counts only together with the body's hash, since it could be forged. Empty, or if it is not there: a hash
    of the body."""

    split: str = ""
    """Path of an array in the JSON body of which each item is an event, `$` for the whole body. `event` and `id`
    are then paths in an item, and the rest of the body is dropped. Empty: each body is one event."""

    success_status: Annotated[int, Meta(ge=200, le=299)] = 202
    """The status that the provider takes as success. Defaults to 202."""

    deadline_s: Annotated[float, Meta(gt=0, le=300)] = 10.0
    """Seconds that the provider waits for an answer, with which `hookline check` compares the limits of the
    receiver. Defaults to 10."""


class HmacSettings(EventSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the provider signs with a shared secret."""

    header: str
    """The header with the signature, such as `x-shop-signature`."""

    prefix: str = ""
    """The text before the signature in the header, such as `sha256=` or `v1=`."""

    separator: Annotated[str, Meta(max_length=2)] = ""
    """The text between the parts of the header, such as `,` in `t=1700000000,v1=...`. Parts with another prefix
    are ignored, and one of the others has to match. Empty: the header holds one signature."""

    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    """The hash of the HMAC: sha1, sha256 or sha512."""

    encoding: Literal["hex", "base64"] = "hex"
    """How the signature is written: hex or base64."""

    key: Literal["text", "base64", "hex"] = "text"
    """How the secret is written: text is used as it is, base64 and hex are decoded to the key."""

    signed: str = "{body}"
    """The signed text: a template with `{body}` once, and any of `{timestamp}`, `{url}`, `{method}` and
    `{header:NAME}`. `{url}` begins with `receiver.public_url`."""

    timestamp: str = ""
    """Place of the signature's time: `header:NAME`, or `part:NAME` for a part `NAME=` of the signature's
    header. It has to be in `signed`. Empty: the provider sends none."""

    timestamp_unit: Literal["s", "ms"] = "s"
    """The unit of the time since 1970: s or ms."""

    tolerance_s: Annotated[float, Meta(ge=1, le=86_400)] = 300.0
    """Seconds by which the time may differ from the clock of this host, in both directions. Defaults to 300."""


class TokenSettings(EventSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the provider sends the secret itself, which signs nothing."""

    header: str = "authorization"
    """The header with the token. Defaults to `authorization`."""

    prefix: str = ""
    """The text before the token in the header, such as `Bearer ` with its space."""

    basic: bool = False
    """True for HTTP basic authentication, with secrets written `user:password`."""
