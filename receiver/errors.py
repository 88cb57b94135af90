"""Errors that prevent a start of the receiver, and rejections of webhooks, as one tree."""


class ReceiverError(Exception):
    """The base of all errors of the receiver."""


class StartError(ReceiverError):
    """The settings are wrong, so that the receiver cannot start."""


class NoSecretError(StartError):
    """A source has no signing secret, or an empty one, with which every sender could sign."""

    def __init__(self, source: str) -> None:
        variable = f"HOOKLINE_SOURCES_{source.upper().replace('-', '_')}_SECRETS"
        super().__init__(
            f'source "{source}" has no signing secret: set {variable}, '
            f'or secrets = ["file:/path/to/secret"] under [sources.{source}] in hookline.toml'
        )


class BadSecretError(StartError):
    """A secret of a source is not one that its provider can have. The message never shows it."""

    def __init__(self, source: str, number: int, reason: str) -> None:
        super().__init__(f"sources.{source}.secrets[{number}]: {reason}")


class NoPublicUrlError(StartError):
    """The provider signs the URL that it calls, and the receiver does not know it."""

    def __init__(self, source: str, title: str) -> None:
        super().__init__(
            f"sources.{source}: {title} signs the URL that it calls: set receiver.public_url to its beginning, "
            "like https://hooks.example.com, or HOOKLINE_RECEIVER_PUBLIC_URL"
        )


class BadKindError(StartError):
    """A source names a kind that Hookline does not know, or that its table does not describe."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"sources.{source}: {reason}")


class NoAddressesError(StartError):
    """A source accepts what nothing authenticates, and from every address."""

    def __init__(self, source: str) -> None:
        super().__init__(f'sources.{source}: kind = "none" needs the addresses of the sender in `addresses`')


class BadAddressError(StartError):
    """An entry of `setting` is neither an address nor a network."""

    def __init__(self, setting: str, address: str, reason: str) -> None:
        super().__init__(
            f'{setting}: "{address}" is no address or network ({reason}): '
            "write it like 203.0.113.7 or 203.0.113.0/24"
        )


class KeptHeaderError(StartError):
    """The name of a header that must not be kept, or that no header can have."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f'receiver.kept_headers: "{name}": {reason}')


class RejectedError(ReceiverError):
    """A webhook is rejected with this status and reason, and nothing is written.

    `address`: the address that an allow-list does not contain. It is only logged.
    """

    def __init__(self, status: int, reason: str, *, address: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.address = address
