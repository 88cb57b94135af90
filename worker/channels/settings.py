"""The `[channels.NAME]` sections: one struct for each `kind` of channel."""

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
    """A channel's `breaker` table: when all workers stop sending through a failing channel for a while."""

    failures: Annotated[int, Meta(ge=1)] = 5
    """Consecutive failures after which the breaker opens. Defaults to 5. While it is open, notifications are
    held."""

    wait_s: Annotated[float, Meta(gt=0)] = 30.0
    """Seconds for which it stays open the first time. Defaults to 30; doubled each time a probe fails."""

    max_wait_s: Annotated[float, Meta(gt=0)] = 30.0
    """Upper bound of those seconds. Defaults to 30: a probe is one request, and a channel that is back is used
    soon."""


class CommonSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of every kind of channel."""

    concurrency: Annotated[int, Meta(ge=1)] = 64
    """Sends at a time in one worker process, alerts not counted. Further notifications wait."""

    rate_per_s: Annotated[float, Meta(ge=0)] = 0.0
    """Sends a second of all workers together. Defaults to 0, which sets no limit; further notifications wait."""

    retry: RetrySettings = msgspec.field(default_factory=RetrySettings)
    breaker: BreakerSettings = msgspec.field(default_factory=BreakerSettings)


class ConsoleSettings(CommonSettings, frozen=True, kw_only=True, tag_field="kind", tag="console"):
    """Prints each notification, one a line."""


class FileSettings(CommonSettings, frozen=True, kw_only=True, tag_field="kind", tag="file"):
    """Appends each notification to a file as one line of JSON. It counts as sent when it is on disk."""

    path: Annotated[str, Meta(min_length=1)]
    """Path of the file; its directory must exist. When the file was moved (log rotation), a new one is created."""

    timeout_s: TimeOut = 10.0
    """Seconds for one write to disk. Defaults to 10; a time-out is retried."""


class HttpSettings(CommonSettings, frozen=True, kw_only=True, tag_field="kind", tag="http"):
    """POSTs each notification as JSON, signed if there are secrets."""

    url: Annotated[str, Meta(pattern="^https?://")]
    """URL to POST to. Redirects are not followed."""

    headers: dict[str, str] = {}
    """Further headers of each request. Defaults to none."""

    secrets: tuple[Secret, ...] = ()
    """Secrets to sign with. Defaults to none, and then nothing is signed. With `standard` there may be several
    secrets (`whsec_...`): each notification then has a signature by each, so that a secret can be rotated."""

    signature: Literal["standard", "hmac"] = "standard"
    """Kind of signature. `standard`, the default: the headers of Standard Webhooks. `hmac`: the HMAC-SHA256 of the
    body in lower-case hex, by a single secret of any form."""

    signature_header: Annotated[str, Meta(pattern="^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")] = "X-Hookline-Signature"
    """Name of the header with the signature, for `hmac`."""

    allow_private: bool = False
    """True if the channel may connect to addresses that are not public: those of this machine, of private networks
    and of a cloud's metadata service. Defaults to false. The address is checked at each connect."""

    ca_file: str = ""
    """Path of certificates (PEM) to trust instead of the system's, for an internal server or proxy."""

    cert_file: str = ""
    """Path of the client certificate (PEM), for a server that asks for one."""

    key_file: str = ""
    """Path of that certificate's key (PEM), without a passphrase; empty if it is in the same file."""

    timeout_s: TimeOut = 10.0
    """Seconds until the status of the answer must be received. Defaults to 10; a time-out is retried."""


class EmailSettings(CommonSettings, frozen=True, kw_only=True, tag_field="kind", tag="email"):
    """Sends each notification as an e-mail, over SMTP."""

    host: Annotated[str, Meta(pattern="^[^\\s]+$")]
    """Host name of the SMTP server."""

    sender: Annotated[str, Meta(pattern="@")]
    """The sender: `shop@example.com`, or `The Shop <shop@example.com>`."""

    to: str = ""
    """The recipient if the rule has no `to`. Alerts have none either."""

    security: Literal["starttls", "tls", "none"] = "starttls"
    """Encryption of the connection: `starttls`, the default, which must succeed; `tls` from the first byte; or
    none."""

    port: Port = 0
    """Port of the server. Defaults to 0, which means the usual one: 587 with starttls, 465 with tls, 25 with
    none."""

    username: str = ""
    """User name for the login. Empty, the default, for no login."""

    password: Secret | None = None
    """Password for the login: from the environment, or as "file:/path"."""

    ca_file: str = ""
    """Path of certificates (PEM) to trust instead of the system's, for an internal server."""

    unsubscribe: Annotated[str, Meta(pattern="^(|https://.+|mailto:.+)$")] = ""
    """Address of the header List-Unsubscribe: `mailto:...`, or `https://...`, which must accept the one-click POST
    of RFC 8058. `{to}` in it is replaced by the recipient's address. Empty, the default, for no header."""

    timeout_s: TimeOut = 20.0
    """Seconds for one e-mail, connecting included. Defaults to 20; a time-out is retried."""

    concurrency: Few = 8
    """Connections, and so e-mails at a time, of one worker process. Defaults to 8; further e-mails wait."""


class AppriseSettings(CommonSettings, frozen=True, kw_only=True, tag_field="kind", tag="apprise"):
    """Sends each notification through an Apprise service: Slack, Teams, Telegram, Twilio, FCM and others.

    Needs the extra `hookline[apprise]`.
    """

    url: Secret
    """Apprise's URL of the service, which contains its token: from the environment, or as "file:/path". `{to}` in
    it is replaced by the rule's `to`."""

    timeout_s: TimeOut = 20.0
    """Seconds for one notification. Defaults to 20; a time-out is retried."""

    concurrency: Few = 8
    """Sends at a time in one worker process, each in a thread. Defaults to 8; further notifications wait."""


class PythonSettings(CommonSettings, frozen=True, kw_only=True, tag_field="kind", tag="python"):
    """Calls your own async function with each notification."""

    target: Annotated[str, Meta(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")]
    """The function, as `module:function`. The module is looked for in PYTHONPATH, among the installed packages,
    and in the directory in which the worker is started."""

    timeout_s: TimeOut = 10.0
    """Seconds for one call. Defaults to 10; after that the call is cancelled and retried."""


ChannelSettings = ConsoleSettings | FileSettings | HttpSettings | EmailSettings | AppriseSettings | PythonSettings

DEFAULT_CHANNELS: dict[str, ChannelSettings] = {"console": ConsoleSettings()}
"""The channels of every config, which may add others."""
