"""The table of verbs: each bulk action has its words once."""

from typing import get_args

from broker.dead_letters.action import Verb
from inspector.api.requests import ActionRequest
from inspector.operations.verbs import VERBS
from tests.inspector.api.calling import DOCUMENT


def test_every_verb_has_its_words() -> None:
    assert set(VERBS) == set(get_args(Verb))


def test_the_api_describes_each_verb() -> None:
    described = DOCUMENT["components"]["schemas"][ActionRequest.__name__]["properties"]["verb"]["description"]

    for verb, text in VERBS.items():
        assert f"`{verb}`: {text.effect}" in described
