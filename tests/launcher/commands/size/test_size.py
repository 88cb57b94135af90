"""The needs grow with the load, the figures are those of the docs, and the docs show the true output."""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from launcher.commands.size import figures
from launcher.commands.size.figures import Figure
from launcher.commands.size.needs import Asked, Needs, compute
from launcher.commands.size.size import Report, as_text, report_for
from tests.launcher.running import ROOT, environment, hookline

PAGE = (ROOT / "docs" / "sizing.md").read_text(encoding="utf-8")

LOADS = st.builds(
    Asked,
    rate_per_s=st.floats(1e-4, 1e6),
    body_bytes=st.integers(1, 32 * 1024 * 1024),
    outage_s=st.integers(0, 10**7),
    notifications=st.floats(0, 100),
    dedupe_days=st.integers(1, 366),
    batch=st.integers(1, 1000),
    history_mb=st.integers(0, 10_000),
)
GROWING = ("rate_per_s", "body_bytes", "outage_s", "notifications", "dedupe_days", "history_mb")
EXAMPLE = Asked(rate_per_s=2000, body_bytes=2600, outage_s=6 * 3600)


def shrunk(less: Needs, more: Needs) -> list[str]:
    """Return the fields that are smaller in the second."""
    return [name for name, value in structs.asdict(less).items() if getattr(more, name) < value]


@given(load=LOADS, field=st.sampled_from(GROWING), factor=st.floats(1, 100))
def test_no_need_shrinks_when_the_load_grows(load: Asked, field: str, factor: float) -> None:
    value = getattr(load, field)
    grown = structs.replace(load, **{field: type(value)(value * factor)})

    assert shrunk(compute(load), compute(grown)) == []


@given(load=LOADS, larger=st.integers(1, 1000))
def test_larger_batches_never_need_more(load: Asked, larger: int) -> None:
    assert shrunk(compute(structs.replace(load, batch=load.batch + larger)), compute(load)) == []


@given(load=LOADS)
def test_the_sums_hold_and_nothing_runs_without_a_process(load: Asked) -> None:
    needs = compute(load)

    parts = (needs.queued_bytes, needs.waiting_bytes, needs.identities_bytes, needs.history_bytes)
    assert needs.redis_bytes == sum(parts)
    assert needs.history_bytes <= load.history_mb * 1_000_000
    assert needs.maxmemory_bytes >= needs.redis_bytes
    assert needs.workers >= 1 and needs.receivers >= 2 and needs.primaries >= 1
    assert (needs.partitions > 1) == (needs.primaries > 1)


def test_the_units_are_right() -> None:
    needs = compute(EXAMPLE)

    assert needs.queued == 2000 * 6 * 3600
    assert needs.queued_bytes == needs.queued * 1244
    assert needs.identities == 2000 * 86_400 * 8
    assert needs.waiting_bytes == 1_000_000 * 217
    assert needs.network_in_bytes_per_s == 5_200_000
    # Twice the rate, 142 us each, half busy, 1.29 times that for several processes: 1.5 cores.
    assert needs.workers == 2


def test_the_history_is_what_fits_and_a_note_says_what_all_of_it_needs() -> None:
    small = structs.replace(EXAMPLE, rate_per_s=1)
    assert compute(small).history_bytes == 7 * 86_400 * 46
    assert compute(EXAMPLE).history_bytes == 256_000_000
    assert "a history of 7 days (history.keep_days) needs history.max_mb = 55642" in report_for(EXAMPLE).notes
    assert not [note for note in report_for(small).notes if "history" in note]
    assert compute(structs.replace(EXAMPLE, history_mb=0)).history_bytes == 0


def test_without_an_outage_nothing_is_queued() -> None:
    needs = compute(structs.replace(EXAMPLE, outage_s=0))
    assert (needs.queued, needs.queued_bytes, needs.waiting_bytes) == (0, 0, 0)


def test_a_rate_that_one_redis_cannot_take_needs_a_cluster() -> None:
    needs = compute(structs.replace(EXAMPLE, rate_per_s=16_000))
    assert (needs.primaries, needs.partitions) == (3, 16)


def test_identities_above_the_compact_sets_are_counted_as_large_and_noted() -> None:
    below, above = (structs.replace(EXAMPLE, rate_per_s=rate) for rate in (388, 389))

    assert compute(above).identities_bytes > 4 * compute(below).identities_bytes
    assert any("set-max-intset-entries" in note for note in report_for(above).notes)
    assert not any("set-max-intset-entries" in note for note in report_for(below).notes)


MEASURED = [
    *figures.QUEUED.values(),
    *(value for value in vars(figures).values() if isinstance(value, Figure) and value is not figures.CLUSTER_CPU),
]


@pytest.mark.parametrize("figure", MEASURED, ids=lambda figure: figure.what)
def test_each_figure_is_on_the_page_that_it_names(figure: Figure) -> None:
    page = (ROOT / figure.source).read_text(encoding="utf-8")
    shown = {f"{figure.value:,g}", f"{figure.value:,.0f}", f"{figure.value:,.1f}"}
    assert any(text in page for text in shown), figure


def commands_of(page: str) -> list[tuple[str, str]]:
    """Return (command, output) of each example of `hookline size`."""
    blocks = [block.split("\n```")[0] for block in page.split("```text\n$ ")[1:]]
    return [(command, output) for command, _, output in (block.partition("\n") for block in blocks)]


def test_the_output_in_the_docs_is_that_of_the_command(tmp_path: Path) -> None:
    examples = commands_of(PAGE)
    assert examples
    for command, output in examples:
        ran = hookline(*shlex.split(command)[1:], cwd=tmp_path, env=environment())
        assert ran.stdout.rstrip("\n") == output.rstrip("\n")


def test_json_has_what_was_asked_what_is_needed_and_the_figures(tmp_path: Path) -> None:
    options = ("--rate", "7200000/h", "--body", "2600", "--outage", "6h", "--json")
    ran = hookline("size", *options, cwd=tmp_path, env=environment())

    report = msgspec.json.decode(ran.stdout, type=Report)
    assert (ran.returncode, report) == (0, report_for(EXAMPLE))
    assert {figure.machine for figure in report.figures}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rate", "fast", "--body", "1"), "is not a rate; write 50/s or 600/min"),
        (("--rate", "1", "--body", "1", "--outage", "soon"), "is not a duration; write 90s, 15m, 6h or 3d"),
        (("--rate", "1", "--body", "0"), "--body"),
        (("--rate", "1", "--body", "1", "--notifications", "nan"), "--notifications"),
        (("--body", "1"), "--rate"),
    ],
)
def test_a_wrong_option_is_named_and_ends_with_2(options: tuple[str, ...], words: str, tmp_path: Path) -> None:
    ran = hookline("size", *options, cwd=tmp_path, env=environment(COLUMNS="200"))

    assert (ran.returncode, ran.stdout) == (2, "")
    assert words in ran.stderr and "Traceback" not in ran.stderr


def test_the_values_of_the_table_end_in_one_column() -> None:
    table = as_text(report_for(structs.replace(EXAMPLE, rate_per_s=1e6))).split("\n\n")[0].splitlines()

    ends = {len(line) - len(line[line.index("  ") :].lstrip().partition("  ")[2]) for line in table}

    assert (len(table), len(ends)) == (12, 1)
