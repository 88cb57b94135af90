"""What can be wrong with a webhook, as one tree."""


class SourceError(Exception):
    """A webhook is not what its source promises."""


class SignatureError(SourceError):
    """The signature is missing or does not belong to the body."""


class DecodeError(SourceError):
    """The body cannot become an event.

    `path` is the place in the body as a JSON path (`$` is the whole), `reason` one plain sentence.
    """

    def __init__(self, reason: str, *, path: str = "$") -> None:
        super().__init__(f"{reason} - at {path}")
        self.reason = reason
        self.path = path
