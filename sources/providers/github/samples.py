"""Sample events of GitHub, and the headers that name and identify them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

EVENT, DELIVERY = "x-github-event", "x-github-delivery"

_URL = "https://github.com/octocat/hello-world"
_USER = {"login": "octocat", "id": 583231, "type": "User"}
_REPOSITORY = {
    "id": 1296269,
    "name": "hello-world",
    "full_name": "octocat/hello-world",
    "private": False,
    "owner": _USER,
    "html_url": _URL,
    "default_branch": "main",
}


def sample(number: int, event: str) -> bytes:
    """A body of an event such as `release.published`, with the keys that rules use most."""
    name, _, action = event.partition(".")
    moment = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    content = {"repository": _REPOSITORY, "sender": _USER, **_details(name, action, number, moment)}
    return msgspec.json.encode(({"action": action} if action else {}) | content)


def sample_headers(number: int, event: str) -> Mapping[str, str]:
    """The headers that name and identify a sample."""
    seed = hashlib.blake2b(f"{event}/{number}".encode(), digest_size=16).digest()
    return {
        EVENT: event.partition(".")[0],
        DELIVERY: str(UUID(bytes=seed)),
        "user-agent": "GitHub-Hookshot/sample",
    }


def _details(name: str, action: str, number: int, moment: str) -> dict[str, Any]:
    """The keys that only this event has."""
    subject: dict[str, Any] = {
        "id": number,
        "number": number,
        "title": f"Sample {number}",
        "state": "closed" if action == "closed" else "open",
        "html_url": f"{_URL}/{name}/{number}",
        "user": _USER,
        "created_at": moment,
    }
    match name:
        case "push":
            return _push(number, moment)
        case "ping":
            return {"zen": "Keep it logically awesome.", "hook_id": number}
        case "release":
            release = {"tag_name": f"v1.{number}", "name": f"Release 1.{number}", "published_at": moment}
            return {name: subject | release | {"draft": False, "prerelease": False, "author": _USER}}
        case "pull_request":
            branches = {"head": {"ref": f"sample-{number}", "sha": _sha(number)}}
            branches |= {"base": {"ref": "main", "sha": _sha(number - 1)}}
            return {"number": number, name: subject | branches | {"draft": False, "merged": False}}
    return {{"issues": "issue"}.get(name, name): subject}


def _push(number: int, moment: str) -> dict[str, Any]:
    before, after = _sha(number - 1), _sha(number)
    author = {"name": "octocat", "email": "octocat@github.com"}
    commit = {"id": after, "message": f"Sample {number}", "timestamp": moment, "author": author}
    return {
        "ref": "refs/heads/main",
        "before": before,
        "after": after,
        "created": False,
        "deleted": False,
        "forced": False,
        "compare": f"{_URL}/compare/{before[:12]}...{after[:12]}",
        "commits": [commit],
        "head_commit": commit,
        "pusher": author,
    }


def _sha(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:40]
