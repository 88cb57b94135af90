"""Whoever asks for a page."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from inspector.settings import Role

Right = Literal["none", "read", "operate", "reveal", "edit"]
"""What a route requires: nothing, not even a login; to look; to change; to see personal data; to change what holds
it, which is both."""


class Principal(Struct, frozen=True, kw_only=True):
    """Somebody with a name, who may at least look; or nobody, who may log in."""

    name: str
    role: Role
    may_reveal: bool
    """Whether personal data is shown unmasked."""

    has_session: bool
    """Came with a cookie, which a browser sends along unasked, and can log out."""

    csrf: str
    """What each form of this principal carries."""

    def may(self, right: Right) -> bool:
        """Whether it has a right. Nobody, who has no name, has none."""
        if not self.name:
            return right == "none"
        match right:
            case "operate":
                return self.role == "operate"
            case "reveal":
                return self.may_reveal
            case "edit":
                return self.role == "operate" and self.may_reveal
            case _:
                return True
