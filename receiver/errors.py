"""Why the receiver will not start, and why it will not take a webhook, as one tree."""


class ReceiverError(Exception):
    """What the receiver cannot or will not do."""


class StartError(ReceiverError):
    """The settings do not allow a start."""


class NoSecretError(StartError):
    """A source has no signing secret, or an empty one that anybody can sign with."""

    def __init__(self, source: str) -> None:
        variable = f"HOOKLINE_SOURCES_{source.upper().replace('-', '_')}_SECRETS"
        super().__init__(
            f'source "{source}" has no signing secret: set {variable}, '
            f'or secrets = ["file:/path/to/secret"] under [sources.{source}] in hookline.toml'
        )


class UnknownKindError(StartError):
    """A source names a kind that Hookline does not know."""

    def __init__(self, source: str, kind: str, known: list[str]) -> None:
        super().__init__(f'sources.{source}.kind "{kind}" is not known: use one of {", ".join(known)}')


class BadAddressError(StartError):
    """An entry of `setting` is neither an address nor a network."""

    def __init__(self, setting: str, address: str, reason: str) -> None:
        super().__init__(
            f'{setting}: "{address}" is no address or network ({reason}): '
            "write it like 203.0.113.7 or 203.0.113.0/24"
        )


class KeptHeaderError(StartError):
    """A header that must not be kept, or that cannot be one."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f'receiver.kept_headers: "{name}": {reason}')


class RefusedError(ReceiverError):
    """A webhook is answered with this status and this reason, and nothing is written.

    `address`: what was held against an allow-list, for the log alone.
    """

    def __init__(self, status: int, reason: str, *, address: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.address = address
