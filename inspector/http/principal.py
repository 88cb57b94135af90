"""The user of a request, and their rights."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from inspector.settings import Role
from inspector.sign_in.identity import How

Right = Literal["none", "read", "operate", "reveal", "edit"]
"""The right that a route requires.

none: no login. read: a login. operate: to change things. reveal: to see personal data. edit: operate and reveal.
"""


class Principal(Struct, frozen=True, kw_only=True):
    """A user with at least the right to read, or, with an empty name, a client that is not logged in."""

    name: str
    role: Role
    may_reveal: bool
    """True if personal data is shown unmasked."""

    how: How | None
    """How the request showed who its user is; None without a login."""

    csrf: str
    """Token for the forms of this user; "" with a bearer token, which no browser sends by itself."""

    @property
    def has_session(self) -> bool:
        """True if a session cookie identified the user, so that the user can log out."""
        return self.how in ("password", "oidc")

    def may(self, right: Right) -> bool:
        """Return whether the user has a right. A client without a login has only the right "none"."""
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
