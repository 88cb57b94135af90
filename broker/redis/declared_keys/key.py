"""The declaration of a key in Redis: see broker/redis/declared_keys."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Home = Literal["each partition", "control partition", "partition of its hash"]
BY_HASH: Home = "partition of its hash"
CONTROL: Home = "control partition"


class Key(Struct, frozen=True):
    """The declaration of a key, or of several keys whose names begin alike."""

    pattern: str
    """The name after the prefix of the partition. What stands in braces differs from key to key."""

    type: str
    """The Redis type, or `any`."""

    written_by: str
    """The parts and commands that write it."""

    expires: str = ""
    """The time after which Redis removes it, or the setting that says so. Empty if it has no expiry in Redis."""

    bound: str = ""
    """Another limit on its size or its life."""

    home: Home = "each partition"

    @property
    def name(self) -> str:
        """The name, or the beginning that the names of several keys have in common, with the colon at its end."""
        return self.pattern.partition("{")[0]
