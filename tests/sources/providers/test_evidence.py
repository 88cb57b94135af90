"""Each provider of Hookline has a proof of its signature, a test of redeliveries, and a row in the documents."""

import pytest

from sources import KINDS
from tests.sources.providers.evidence import EVIDENCE, events_table, function_of, table, written


def test_each_provider_is_listed_with_its_proofs() -> None:
    assert set(EVIDENCE) == set(KINDS), "list each provider in tests/sources/providers/evidence.py"


@pytest.mark.parametrize("name", KINDS)
def test_a_proof_of_the_signature_and_a_test_of_redeliveries_exist(name: str) -> None:
    evidence = EVIDENCE[name]
    assert bool(evidence.vector) != bool(evidence.recipe), "give a published vector, or a documented recipe"
    for test in (evidence.vector or evidence.recipe, evidence.redelivery):
        assert function_of(test), f"no such test: {test}"


def test_the_documents_show_the_table() -> None:
    assert written() == table() + events_table(), "run: make docs"
