"""The names that a user's code may import: everything else in this project may change without notice.

    from hookline import Notification, Permanent, RetryLater
    from hookline.voucherify import PointsAdded

See docs/channels.md, section python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.user_function import Notification, Permanent, RetryLater

    __version__: str
else:
    # Read on first use: the `hookline` command must be able to start and report that a module of the user's hides
    # the package that these come from, and importlib.metadata takes longer to import than all the rest.
    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415

            value: object = version("hookline")
        elif name in __all__:
            import worker.user_function  # noqa: PLC0415

            value = getattr(worker.user_function, name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals().setdefault(name, value)


__all__ = ["Notification", "Permanent", "RetryLater", "__version__"]
