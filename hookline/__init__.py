"""The names that a user's code may import: everything else in this project may change without notice.

    from hookline import Notification, Permanent, RetryLater
    from hookline.models import github
    from hookline.voucherify import PointsAdded

See docs/channels.md, section python, and docs/providers.md, section Your own provider in code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sources.errors import DecodeError, SignatureError
    from sources.event import Event
    from sources.provider import Provider
    from sources.secret import Secret
    from sources.signed_request import Answer, Headers, SignedRequest
    from worker.user_function import Notification, Permanent, RetryLater

    __version__: str
else:
    _MODULES = {
        "Answer": "sources.signed_request",
        "DecodeError": "sources.errors",
        "Event": "sources.event",
        "Headers": "sources.signed_request",
        "Notification": "worker.user_function",
        "Permanent": "worker.user_function",
        "Provider": "sources.provider",
        "RetryLater": "worker.user_function",
        "Secret": "sources.secret",
        "SignatureError": "sources.errors",
        "SignedRequest": "sources.signed_request",
    }

    # Read on first use: the `hookline` command must be able to start and report that a module of the user's hides
    # the package that these come from, and importlib.metadata takes longer to import than all the rest.
    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415

            value: object = version("hookline")
        elif name in _MODULES:
            from importlib import import_module  # noqa: PLC0415

            value = getattr(import_module(_MODULES[name]), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals().setdefault(name, value)


__all__ = [
    "Answer",
    "DecodeError",
    "Event",
    "Headers",
    "Notification",
    "Permanent",
    "Provider",
    "RetryLater",
    "Secret",
    "SignatureError",
    "SignedRequest",
    "__version__",
]
