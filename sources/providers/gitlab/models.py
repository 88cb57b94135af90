"""The events of GitLab that are used most, as typed structs.

docs.gitlab.com, "Webhook events". GitLab writes times in several forms, so they stay text.
"""

from __future__ import annotations

from msgspec import Struct


class User(Struct, frozen=True, kw_only=True):
    """The user who caused an event."""

    username: str
    id: int | None = None
    name: str | None = None
    email: str | None = None


class Project(Struct, frozen=True, kw_only=True):
    """The project of an event."""

    path_with_namespace: str
    web_url: str
    id: int | None = None
    name: str | None = None
    default_branch: str | None = None


class CommitAuthor(Struct, frozen=True, kw_only=True):
    """The author of a commit as git knows them."""

    name: str | None = None
    email: str | None = None


class Commit(Struct, frozen=True, kw_only=True):
    """A commit that was pushed."""

    id: str
    message: str | None = None
    title: str | None = None
    timestamp: str | None = None
    url: str | None = None
    author: CommitAuthor | None = None


class Push(Struct, frozen=True, kw_only=True):
    """Commits or a tag were pushed. `commits` has the last 20 at most."""

    object_kind: str
    ref: str
    before: str
    after: str
    project: Project
    user_name: str | None = None
    user_username: str | None = None
    user_email: str | None = None
    checkout_sha: str | None = None
    """Null if the branch or tag was deleted."""

    commits: list[Commit] | None = None
    total_commits_count: int | None = None


class MergeRequestDetails(Struct, frozen=True, kw_only=True):
    """A merge request. `iid` is its number in the project."""

    id: int
    iid: int
    title: str
    state: str
    source_branch: str
    target_branch: str
    url: str | None = None
    action: str | None = None
    description: str | None = None
    draft: bool | None = None
    author_id: int | None = None
    created_at: str | None = None
    updated_at: str | None = None


class MergeRequest(Struct, frozen=True, kw_only=True):
    """A merge request was opened, merged, closed and the like: `object_attributes.action` says which."""

    object_kind: str
    user: User
    project: Project
    object_attributes: MergeRequestDetails


class IssueDetails(Struct, frozen=True, kw_only=True):
    """An issue. `iid` is its number in the project."""

    id: int
    iid: int
    title: str
    state: str
    url: str | None = None
    action: str | None = None
    description: str | None = None
    author_id: int | None = None
    created_at: str | None = None
    updated_at: str | None = None


class Issue(Struct, frozen=True, kw_only=True):
    """An issue was opened, closed and the like: `object_attributes.action` says which."""

    object_kind: str
    user: User
    project: Project
    object_attributes: IssueDetails


MODELS: dict[str, type[Struct]] = {
    "push": Push,
    "tag_push": Push,
    "merge_request.*": MergeRequest,
    "issue.*": Issue,
}
"""The models by event name."""
