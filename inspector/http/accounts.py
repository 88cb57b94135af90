"""The users of the config, found by password or by token."""

from __future__ import annotations

from collections.abc import Mapping

from inspector.http.form_tokens import equal_in_constant_time, new_id
from inspector.settings import User
from inspector.sign_in.identity import How, Identity


class Accounts:
    """Finds users. An unknown user takes as long as a wrong password, so that user names cannot be guessed."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = users
        self._dummy_secret = new_id().encode()

    def __bool__(self) -> bool:
        return bool(self._users)

    def __contains__(self, name: str) -> bool:
        return name in self._users

    def by_password(self, name: str, password: str) -> Identity | None:
        """The user with this name; None if the user or the password is wrong."""
        user = self._users.get(name)
        is_right = equal_in_constant_time(password, user.password.reveal() if user else self._dummy_secret)
        return _identity(name, user, "password") if user and is_right else None

    def by_token(self, token: str) -> Identity | None:
        """The user with this token; None if no user has it."""
        # All tokens are compared, so that the time does not depend on which one matches.
        matches = [
            (name, user)
            for name, user in self._users.items()
            if equal_in_constant_time(token, user.token.reveal() if user.token else self._dummy_secret)
            and user.token
        ]
        return _identity(*matches[0], "token") if matches else None


def _identity(name: str, user: User, how: How) -> Identity:
    return Identity(name=name, role=user.role, may_reveal=user.reveal, how=how)
