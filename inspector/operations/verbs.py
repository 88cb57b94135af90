"""The verbs of bulk actions: what each does, and the words for it on the command line, in the API and on pages."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from broker.dead_letters.action import Verb


class VerbText(Struct, frozen=True, kw_only=True):
    """A verb in all the forms that people read."""

    name: str
    """Heading and button: `Replay`."""

    infinitive: str
    """In a question or a sentence, before "3 dead letters": `replay`."""

    gerund: str
    """Beside a progress bar: `replaying`."""

    participle: str
    """In a result: `replayed`."""

    button: str
    """Button that starts it, after a preview."""

    button_has_count: bool = True
    """The button names how many letters it is for."""

    asks: Literal["never", "for filters", "always"]
    """When the command line asks for confirmation: never, if a filter selects the letters, or also for ids."""

    effect: str
    """The effect on the letters, in full sentences."""


VERBS: dict[Verb, VerbText] = {
    "dry_run": VerbText(
        name="Dry run",
        infinitive="dry-run a replay of",
        gerund="checking",
        participle="checked",
        button="Start the dry run",
        button_has_count=False,
        asks="never",
        effect="Each letter is decoded, matched with the rules and rendered, as a replay would do with the "
        "current configuration. Nothing is sent and nothing changes. The result shows how many letters would "
        "pass, and why the others would fail.",
    ),
    "replay": VerbText(
        name="Replay",
        infinitive="replay",
        gerund="replaying",
        participle="replayed",
        button="Replay",
        asks="for filters",
        effect="Webhooks go back to intake, and notifications to their channel, with the same idempotency key. "
        "Letters that fail again become dead letters again.",
    ),
    "discard": VerbText(
        name="Discard",
        infinitive="discard",
        gerund="discarding",
        participle="discarded",
        button="Discard",
        asks="always",
        effect="The letters are deleted with their bodies and their history. This cannot be undone.",
    ),
    "annotate": VerbText(
        name="Add note",
        infinitive="annotate",
        gerund="annotating",
        participle="annotated",
        button="Add note",
        asks="for filters",
        effect="Your note is added to each letter. Nothing else changes.",
    ),
}

VERBS_FOR_API = " ".join(f"`{verb}`: {text.effect}" for verb, text in VERBS.items())
"""All verbs in one paragraph, for the description of the API."""
