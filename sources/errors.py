"""Errors of a webhook, as one tree."""


class SourceError(Exception):
    """A webhook does not follow the contract of its source."""


class SignatureError(SourceError):
    """The signature is missing or does not belong to the body."""


class DecodeError(SourceError):
    """The body cannot be decoded to an event.

    `path` is the place in the body as a JSON path (`$` is the whole), `reason` one plain sentence.
    """

    def __init__(self, reason: str, *, path: str = "$") -> None:
        super().__init__(f"{reason} - at {path}")
        self.reason = reason
        self.path = path
