"""The events of GitHub that are used most, as typed structs.

docs.github.com, "Webhook events and payloads". Times are text in ISO 8601.
"""

from __future__ import annotations

from msgspec import Struct


class User(Struct, frozen=True, kw_only=True):
    """An account: a person, an organization or a bot."""

    login: str
    id: int
    type: str | None = None
    html_url: str | None = None


class Repository(Struct, frozen=True, kw_only=True):
    """The repository of an event."""

    id: int
    name: str
    full_name: str
    private: bool
    html_url: str
    owner: User
    default_branch: str | None = None
    description: str | None = None


class CommitAuthor(Struct, frozen=True, kw_only=True):
    """The author of a commit as git knows them, or who pushed it."""

    name: str | None = None
    email: str | None = None
    username: str | None = None


class Commit(Struct, frozen=True, kw_only=True):
    """A commit that was pushed."""

    id: str
    message: str
    timestamp: str
    url: str | None = None
    author: CommitAuthor | None = None
    added: list[str] | None = None
    removed: list[str] | None = None
    modified: list[str] | None = None


class Push(Struct, frozen=True, kw_only=True):
    """Commits were pushed, or a branch or tag was created or deleted. `ref` is such as `refs/heads/main`."""

    ref: str
    before: str
    after: str
    created: bool
    deleted: bool
    forced: bool
    compare: str
    commits: list[Commit]
    head_commit: Commit | None = None
    """Null if a branch or tag was deleted."""

    pusher: CommitAuthor
    repository: Repository
    sender: User | None = None


class ReleaseDetails(Struct, frozen=True, kw_only=True):
    """A release. `name` is its title, and `body` its description."""

    id: int
    tag_name: str
    html_url: str
    draft: bool
    prerelease: bool
    name: str | None = None
    body: str | None = None
    author: User | None = None
    created_at: str | None = None
    published_at: str | None = None


class Release(Struct, frozen=True, kw_only=True):
    """A release was published, edited or deleted: `action` says which."""

    action: str
    release: ReleaseDetails
    repository: Repository
    sender: User


class Branch(Struct, frozen=True, kw_only=True):
    """A branch that a pull request takes changes from, or brings them to."""

    ref: str
    sha: str
    label: str | None = None


class Label(Struct, frozen=True, kw_only=True):
    """A label of an issue or a pull request."""

    name: str
    color: str | None = None


class PullRequestDetails(Struct, frozen=True, kw_only=True):
    """A pull request. A merged one has the state `closed`, and `merged` is true."""

    id: int
    number: int
    title: str
    state: str
    html_url: str
    user: User | None = None
    head: Branch
    base: Branch
    body: str | None = None
    draft: bool | None = None
    merged: bool | None = None
    merged_at: str | None = None
    created_at: str | None = None
    labels: list[Label] | None = None


class PullRequest(Struct, frozen=True, kw_only=True):
    """A pull request was opened, closed, labeled and the like: `action` says which."""

    action: str
    number: int
    pull_request: PullRequestDetails
    repository: Repository
    sender: User
    label: Label | None = None


class IssueDetails(Struct, frozen=True, kw_only=True):
    """An issue, whose author is `user`."""

    id: int
    number: int
    title: str
    state: str
    html_url: str
    user: User | None = None
    body: str | None = None
    assignees: list[User] | None = None
    labels: list[Label] | None = None
    comments: int | None = None
    created_at: str | None = None


class Issue(Struct, frozen=True, kw_only=True):
    """An issue was opened, closed, assigned and the like: `action` says which."""

    action: str
    issue: IssueDetails
    repository: Repository
    sender: User
    assignee: User | None = None
    label: Label | None = None


class Ping(Struct, frozen=True, kw_only=True):
    """A webhook was created. An organization's has no repository."""

    zen: str
    hook_id: int
    repository: Repository | None = None
    organization: User | None = None
    sender: User | None = None


MODELS: dict[str, type[Struct]] = {
    "push": Push,
    "release.*": Release,
    "pull_request.*": PullRequest,
    "issues.*": Issue,
    "ping": Ping,
}
"""The models by event name."""
