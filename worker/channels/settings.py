"""`[channels.NAME]` sections: one struct a kind of channel, told apart by `kind`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from sources.secret import Secret
from worker.rules.retry import RetrySettings

Port = Annotated[int, Meta(ge=0, le=65535)]
Few = Annotated[int, Meta(ge=1, le=64)]
TimeOut = Annotated[float, Meta(gt=0, le=30)]


class BreakerSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A channel's `breaker` table: when all workers leave a sick channel alone."""

    failures: Annotated[int, Meta(ge=1)] = 5
    """Failures in a row after which it opens."""

    wait_s: Annotated[float, Meta(gt=0)] = 30.0
    """Seconds that it stays open the first time; they double each time a probe fails."""

    max_wait_s: Annotated[float, Meta(gt=0)] = 600.0
    """Upper bound of that wait."""


class CommonSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every kind of channel has."""

    concurrency: Annotated[int, Meta(ge=1)] = 64
    """Sends at a time in one worker process, beside its alerts."""

    rate_per_s: Annotated[float, Meta(ge=0)] = 0.0
    """Sends a second of all workers together; 0 for as many as it takes."""

    retry: RetrySettings = msgspec.field(default_factory=RetrySettings)
    breaker: BreakerSettings = msgspec.field(default_factory=BreakerSettings)


class ConsoleSettings(CommonSettings, frozen=True, kw_only=True, tag_field="kind", tag="console"):
    """Prints each notification, one a line."""


class FileSettings(CommonSettings, frozen=True, kw_only=True, tag_field="kind", tag="file"):
    """Appends each notification to a file, as one line of JSON that is on disk before it counts as sent."""

    path: Annotated[str, Meta(min_length=1)]
    """The file; its directory must exist. It may be rotated: where it was moved away, a new one is begun."""

    timeout_s: TimeOut = 10.0
    """Seconds for one write to disk; a time-out is tried again."""


class HttpSettings(CommonSettings, frozen=True, kw_only=True, tag_field="kind", tag="http"):
    """POSTs each notification as JSON, signed where it has secrets."""

    url: Annotated[str, Meta(pattern="^https?://")]
    """Where to POST. Redirects are not followed."""

    headers: dict[str, str] = {}
    """Further headers."""

    secrets: tuple[Secret, ...] = ()
    """What to sign with; without any, nothing is signed. Of Standard Webhooks' (`whsec_...`) there may be several:
    each notification then carries a signature by each, so that a secret can be rotated."""

    signature: Literal["standard", "hmac"] = "standard"
    """What the secrets make. `standard`: the headers of Standard Webhooks. `hmac`: the HMAC-SHA256 of the body in
    lower-case hex, by a single secret of any form."""

    signature_header: Annotated[str, Meta(pattern="^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")] = "X-Hookline-Signature"
    """The header that carries the signature `hmac`."""

    allow_private: bool = False
    """Whether it may connect to addresses that are not public: this machine's own, private networks, a cloud's
    metadata service. What the URL's host name resolves to is checked at each connect."""

    ca_file: str = ""
    """Certificates (PEM) to trust instead of the system's, for a server or proxy inside."""

    cert_file: str = ""
    """Client certificate (PEM) to show to a server that asks for one."""

    key_file: str = ""
    """Key of that certificate (PEM), without a passphrase; empty where it is in the same file."""

    timeout_s: TimeOut = 10.0
    """Seconds until the status of the answer is there; a time-out is tried again."""


class EmailSettings(CommonSettings, frozen=True, kw_only=True, tag_field="kind", tag="email"):
    """Sends each notification as an e-mail, over SMTP."""

    host: Annotated[str, Meta(pattern="^[^\\s]+$")]
    """The SMTP server."""

    sender: Annotated[str, Meta(pattern="@")]
    """Who it is from: `shop@example.com`, or `The Shop <shop@example.com>`."""

    to: str = ""
    """Whom it is for where the rule has no `to`; alerts have none."""

    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is encrypted: after STARTTLS, which must succeed, from its first byte, or not at all."""

    port: Port = 0
    """0 for the usual one: 587 with starttls, 465 with tls, 25 with none."""

    username: str = ""
    """Whom to log in as; empty for no login."""

    password: Secret | None = None
    """By the environment, or as "file:/path"."""

    ca_file: str = ""
    """Certificates (PEM) to trust instead of the system's, for a server inside."""

    unsubscribe: Annotated[str, Meta(pattern="^(|https://.+|mailto:.+)$")] = ""
    """Where one unsubscribes, for the header List-Unsubscribe: `mailto:...`, or `https://...`, which must take the
    one-click POST of RFC 8058. `{to}` in it stands for the recipient's address."""

    timeout_s: TimeOut = 20.0
    """Seconds for one e-mail, connecting included; a time-out is tried again."""

    concurrency: Few = 8
    """Connections, and e-mails at a time, of one worker process."""


class AppriseSettings(CommonSettings, frozen=True, kw_only=True, tag_field="kind", tag="apprise"):
    """Sends each notification by a service that Apprise knows: Slack, Teams, Telegram, Twilio, FCM and others.

    Needs the extra `hookline[apprise]`.
    """

    url: Secret
    """Apprise's URL of the service, which holds its token: by the environment, or as "file:/path". `{to}` in it
    stands for the rule's `to`."""

    timeout_s: TimeOut = 20.0
    """Seconds for one notification; a time-out is tried again."""

    concurrency: Few = 8
    """Sends at a time, a thread each, in one worker process."""


class PythonSettings(CommonSettings, frozen=True, kw_only=True, tag_field="kind", tag="python"):
    """Calls an async function of yours with each notification."""

    target: Annotated[str, Meta(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")]
    """`module:function`. The module is looked for in PYTHONPATH, among the installed packages, and in the
    directory in which the worker is started."""

    timeout_s: TimeOut = 10.0
    """Seconds for one call, which is then cancelled and tried again."""


ChannelSettings = ConsoleSettings | FileSettings | HttpSettings | EmailSettings | AppriseSettings | PythonSettings

DEFAULT_CHANNELS: dict[str, ChannelSettings] = {"console": ConsoleSettings()}
"""Always there; the config may add to them."""
