"""Tests of the encoding of jobs."""

from hypothesis import given
from hypothesis import strategies as st

from broker.queue import jobs
from broker.queue.batch import RawBody
from broker.queue.jobs import Attempt, Notification, NotifyJob, Packed, UnreadableJobError

attempts = st.builds(Attempt, st.integers(0, 2**40), st.integers(0, 9999), st.text(), st.text(), st.text())
bodies = st.builds(RawBody, st.integers(0, 2**48), st.text(), st.text(), st.binary(max_size=300))
notifications = st.builds(Notification, st.text(), st.text(), st.text(), bodies, st.tuples(attempts))
notify_jobs = st.builds(NotifyJob, st.text(), st.integers(1, 99), st.integers(0, 2**48), st.lists(notifications))


@given(notify_jobs)
def test_a_job_survives_the_packing_of_arq(job: NotifyJob) -> None:
    stored = jobs.deserialize(jobs.encode(job))
    assert stored["f"] == jobs.NOTIFY
    assert jobs.decode(stored["a"][0]) == job


@given(st.binary(max_size=400))
def test_the_deserializer_never_raises_because_arq_would_delete_the_job(data: bytes) -> None:
    stored = jobs.deserialize(data)
    assert set(stored) == {"t", "f", "a", "k", "et"}


@given(st.binary(max_size=400))
def test_an_unreadable_argument_is_an_unreadable_job(data: bytes) -> None:
    try:
        jobs.decode(Packed(data))
    except UnreadableJobError:
        return


@given(st.integers(0, 64))
def test_the_id_of_a_job_contains_its_size(size: int) -> None:
    assert jobs.size_of(jobs.new_job_id(size)) == size


def test_ids_of_other_jobs_contain_no_size() -> None:
    assert jobs.size_of("job-of-another-program") == 0


def test_the_argument_has_a_short_repr_because_arq_writes_it_into_a_string_for_each_run() -> None:
    assert len(repr(Packed(b"x" * 1_000_000))) < 30
