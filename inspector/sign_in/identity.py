"""The user of a request, and the rights that their groups give them. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from msgspec import Struct

from inspector.login_settings import EVERYONE, GroupRights
from inspector.settings import Role

How = Literal["local", "password", "token", "proxy", "oidc"]
"""How a request showed who its user is; local: no login is configured."""

MAX_NAME_CHARS = 128


class Identity(Struct, frozen=True, kw_only=True):
    """A user who signed in, with their rights."""

    name: str
    role: Role
    may_reveal: bool
    how: How
    subject: str = ""
    """The id of the user at the provider, which stays if the user is renamed; "" without one."""


class SignInRefused(Struct, frozen=True):
    """Why a user may not sign in."""

    status: int
    reason: str
    """The reason for the log, without anything that the client sent."""

    text: str
    """A sentence or two for the user: what is wrong, and how to fix it."""


def identity_by_groups(
    name: str,
    groups: Collection[str],
    rights: GroupRights,
    *,
    how: How,
    section: str,
    reserved: Collection[str],
    subject: str = "",
) -> Identity | SignInRefused:
    """The user with the rights of their groups, or why they are turned away.

    section: the table of the config that has these rights. reserved: names of the users who have a password, which
    the audit log must not confuse with others; their case does not matter.
    """
    if not is_usable_name(name):
        return SignInRefused(
            403,
            "the name is too long or not printable",
            f"Your user name cannot be shown. It needs 1 to {MAX_NAME_CHARS} characters, all of them printable.",
        )
    if name.casefold() in {known.casefold() for known in reserved}:
        return SignInRefused(
            403,
            "the name is that of a user in inspector.users",
            f"The name {name} belongs to a user with a password, in inspector.users. Log in with that password, "
            "or ask the operator to rename that user.",
        )
    operates = _has_one_of(groups, rights.operate_groups)
    if not operates and not _has_one_of(groups, rights.read_groups):
        return SignInRefused(
            403,
            "no group of the user has a right",
            f"You are signed in as {name}, and none of your groups may use Hookline. Ask the operator to add one "
            f"of them to read_groups or operate_groups in [{section}].",
        )
    return Identity(
        name=name,
        role="operate" if operates else "read",
        may_reveal=_has_one_of(groups, rights.reveal_groups),
        how=how,
        subject=subject,
    )


def is_usable_name(name: str) -> bool:
    """Return whether a name can stand in the audit log as it is.

    It is refused rather than changed, since two names could become the same one. Control characters, and those
    that change the direction of text, are not printable.
    """
    return 0 < len(name) <= MAX_NAME_CHARS and name.isprintable() and name == name.strip()


def _has_one_of(groups: Collection[str], allowed: Collection[str]) -> bool:
    return EVERYONE in allowed or any(group in allowed for group in groups)
