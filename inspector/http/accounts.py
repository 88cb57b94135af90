"""The users of the config: who is who by a password, or by a token."""

from __future__ import annotations

from collections.abc import Mapping

from inspector.http.form_tokens import new_id, same
from inspector.settings import User


class Accounts:
    """Takes as long for a user that does not exist as for a wrong password."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = users
        self._nobodys = new_id().encode()

    def __bool__(self) -> bool:
        return bool(self._users)

    def get(self, name: str) -> User | None:
        """The user of that name."""
        return self._users.get(name)

    def by_password(self, name: str, password: str) -> User | None:
        """The user, where the password is right."""
        user = self._users.get(name)
        is_right = same(password, user.password.reveal() if user else self._nobodys)
        return user if is_right else None

    def by_token(self, token: str) -> str | None:
        """The name of the user who has this token; all are looked at, whichever fits."""
        fits = [
            name
            for name, user in self._users.items()
            if same(token, user.token.reveal() if user.token else self._nobodys) and user.token
        ]
        return fits[0] if fits else None
