"""Why a send failed, in a few words for alerts and status. They contain no text of a webhook or of an answer."""

from __future__ import annotations

from worker.outcome import Dead, Retry

_TIMED_OUT = frozenset({"TimeoutError", "ServerTimeoutError", "SMTPTimeoutError", "SMTPReadTimeoutError"})
_NOT_CONNECTED = ("ClientConnector", "ConnectionRefused", "ConnectionReset", "SMTPConnect", "ServerDisconnected")


def failure_cause(outcome: Retry | Dead) -> str:
    """Return the cause: by the class of the error, since its text may quote personal data."""
    name = outcome.error_class
    if isinstance(outcome, Dead):
        return f"is misconfigured ({name})"
    if name.startswith("Http") and name[4:].isdecimal():
        return f"answers {name[4:]}"
    if name in _TIMED_OUT:
        return "does not answer in time"
    if name.startswith(_NOT_CONNECTED):
        return "cannot connect"
    return f"fails with {name}"
