"""Functions of users: their arguments, and the outcome of each result or exception."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hookline.models import github
from hookline.voucherify import PointsAdded
from sources import KINDS
from sources.voucherify import VOUCHERIFY
from sources.voucherify.models import MODELS
from tests.sources.payloads import PAYLOADS, compact, leaves, replaced
from tests.until import until
from tests.worker.channels import functions
from tests.worker.conftest import POINTS_ADDED, webhook
from worker.channels.errors import ChannelError
from worker.channels.python import PythonChannel
from worker.channels.settings import PythonSettings
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.rules.payload import Payload
from worker.rules.render import Message

BODY = webhook(7)
MESSAGE = Message(
    key="k",
    rule="crm",
    source="shop",
    event=POINTS_ADDED,
    text="40 points",
    data=VOUCHERIFY.view(BODY),
    attempt=2,
    to="nadia@example.com",
    raw=BODY,
)


def channel(name: str, timeout_s: float = 20.0, concurrency: int = 4) -> PythonChannel:
    settings = PythonSettings(
        target=f"tests.worker.channels.functions:{name}", timeout_s=timeout_s, concurrency=concurrency
    )
    return PythonChannel(settings, {"shop": VOUCHERIFY.model})


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    functions.calls.clear()
    functions.released = asyncio.Event()
    yield
    functions.released.set()


def but(**changes: object) -> Message:
    fields = {name: getattr(MESSAGE, name) for name in MESSAGE.__struct_fields__}
    return Message(**(fields | changes))


async def test_a_function_gets_the_typed_event_the_payload_and_the_key() -> None:
    assert await channel("note").send(MESSAGE) == Sent()
    ((notification, key),) = functions.calls
    assert key == MESSAGE.key
    assert isinstance(notification.model, PointsAdded)
    assert notification.model.balance.points == json.loads(BODY)["data"]["balance"]["points"]
    assert (notification.event, notification.source, notification.rule) == (POINTS_ADDED, "shop", "crm")
    assert (notification.data, notification.raw) == (MESSAGE.data, BODY)
    assert (notification.text, notification.to, notification.attempt) == ("40 points", "nadia@example.com", 2)


async def test_a_function_gets_the_typed_event_of_another_provider_or_none_if_the_payload_differs() -> None:
    settings = PythonSettings(target="tests.worker.channels.functions:note")
    opened = PythonChannel(settings, {"repo": KINDS["github"].model})
    body = KINDS["github"].sample(1, "push")
    message = but(source="repo", event="push", data=KINDS["github"].view(body), raw=body)
    changed = but(source="repo", event="push", data={**message.data, "commits": "many"}, raw=body)
    assert [await opened.send(message), await opened.send(changed)] == [Sent(), Sent()]
    fits, differs = (notification for notification, _ in functions.calls)
    assert isinstance(fits.model, github.Push)
    assert fits.model.head_commit is not None
    assert fits.model.head_commit.author == github.CommitAuthor(name="octocat", email="octocat@github.com")
    assert (differs.model, differs.data["commits"]) == (None, "many")


@pytest.mark.parametrize("name", sorted(PAYLOADS))
async def test_amounts_with_a_fraction_reach_a_function_in_model_and_data(name: str) -> None:
    payload = PAYLOADS[name]
    model = VOUCHERIFY.model(name, payload)
    assert model is not None
    for path, value in leaves(model):
        if isinstance(value, float):
            payload = replaced(payload, path, value + 0.25)
    message = but(event=name, data=VOUCHERIFY.view(compact(payload)))
    assert await channel("note").send(message) == Sent()
    notification, _ = functions.calls[0]
    assert notification.model == VOUCHERIFY.model(name, payload)
    assert type(notification.model) is MODELS[name]
    assert msgspec.json.decode(msgspec.json.encode(notification.data)) == payload


async def test_a_function_may_change_its_payload_without_changing_that_of_others() -> None:
    for message in (MESSAGE, but(data=Payload(VOUCHERIFY.payload_json(BODY)))):
        assert await channel("change").send(message) == Sent()
        assert message.data == VOUCHERIFY.view(BODY)
    for notification, _ in functions.calls:
        assert (notification.data["customer"]["id"], notification.text) == ("changed", "changed")
        assert isinstance(notification.model, PointsAdded)
        assert notification.model.customer is not None
        assert notification.model.customer.id == MESSAGE.data["customer"]["id"]


async def test_a_payload_that_cannot_be_read_as_a_whole_matters_only_to_a_function_that_reads_it() -> None:
    message = but(data=Payload(b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}"))
    assert await channel("note").send(message) == Sent()
    outcome = await channel("change").send(message)
    assert isinstance(outcome, Dead)
    assert outcome.reason == "render"


@pytest.mark.parametrize(
    "changes",
    [
        {"event": "customer.brand_new"},
        {"data": {"greeting": "designed"}},
        {"data": {"payload": [1]}},
        {"source": "alerts"},
    ],
)
async def test_an_event_without_a_model_is_passed_as_its_payload(changes: dict[str, object]) -> None:
    message = but(**changes)
    assert await channel("note").send(message) == Sent()
    notification, _ = functions.calls[0]
    assert (notification.model, notification.data) == (None, message.data)


async def test_a_function_may_be_an_attribute_of_a_class() -> None:
    assert await channel("Crm.note").send(MESSAGE) == Sent()


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("refuse", Dead(reason="permanent", error="no such customer", error_class="Permanent")),
        ("later", Retry(error="busy", error_class="RetryLater", retry_after_s=90.0)),
        ("fail", Retry(error="'field'", error_class="KeyError")),
        ("leave", Retry(error="3", error_class="SystemExit")),
        ("cancel_itself", Retry(error="it was cancelled", error_class="CancelledError")),
        ("time_out", Retry(error="the database took too long", error_class="TimeoutError")),
    ],
)
async def test_exceptions_of_a_function_become_outcomes(name: str, outcome: Outcome) -> None:
    assert await channel(name).send(MESSAGE) == outcome


async def test_a_function_that_hangs_is_cancelled_and_makes_room() -> None:
    opened = channel("hang", timeout_s=0.1, concurrency=1)
    for _ in range(2):
        assert await opened.send(MESSAGE) == Retry(error="not done within 0.1 s", error_class="TimeoutError")
    await until(lambda: len(asyncio.all_tasks()) == 1)


async def test_a_function_that_ignores_its_cancellation_delays_no_other_and_stays_counted() -> None:
    opened = channel("deaf", timeout_s=0.1, concurrency=1)
    assert isinstance(await opened.send(MESSAGE), Retry)
    assert isinstance(await opened.send(but(key="k2")), Retry)  # its one place is still taken
    functions.released.set()
    await until(lambda: len(asyncio.all_tasks()) == 1)
    assert await opened.send(but(key="k2")) == Sent()


async def test_a_cancelled_send_cancels_the_function() -> None:
    sending = asyncio.create_task(channel("hang").send(MESSAGE))
    await until(lambda: len(asyncio.all_tasks()) == 3)
    sending.cancel()
    await until(lambda: len(asyncio.all_tasks()) == 1)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("no_such_module:f", "there is no module 'no_such_module'"),
        ("tests.no_such:f", "there is no module 'tests.no_such'"),
        ("tests.worker.channels.functions:gone", "there is no 'gone'"),
        ("tests.worker.channels.functions:Crm.gone", "there is no 'Crm.gone'"),
        ("tests.worker.channels.functions:plain", "is not an async function"),
        ("tests.worker.channels.functions:number", "is not an async function"),
    ],
)
def test_an_invalid_target_is_reported_immediately(target: str, expected: str) -> None:
    with pytest.raises(ChannelError) as caught:
        PythonChannel(PythonSettings(target=target), {})
    assert caught.value.setting == "target"
    assert expected in str(caught.value)


NAME_IS_TAKEN = "'worker' is the name of one of Hookline's own packages, which Python imports instead of yours"


def fault(directory: Path, files: dict[str, str], target: str) -> str:
    """Return the error line of a process that is started in a directory with these files."""
    for name, code in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(code)
    program = f"from worker.channels.user_module import function_at\nfunction_at('{target}')"
    ran = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=directory, capture_output=True, text=True, check=False
    )
    (line,) = [
        line for line in ran.stderr.splitlines() if line.startswith("worker.channels.errors.ChannelError: ")
    ]
    return line


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def broken(", "SyntaxError"),
        ("1 / 0", "division by zero (ZeroDivisionError)"),
        ("import sys; sys.exit('not here')", "not here (SystemExit)"),
        ("import no_such_library", "there is no module 'no_such_library'"),
    ],
)
def test_a_module_that_does_not_import_is_reported_in_one_line(tmp_path: Path, code: str, expected: str) -> None:
    line = fault(tmp_path, {"broken_crm.py": code}, "broken_crm:f")
    assert expected in line
    assert "broken_crm" in line


@pytest.mark.parametrize(
    ("files", "target"),
    [
        ({"crm.py": "from worker.tasks import save", "worker/tasks.py": "", "worker/__init__.py": ""}, "crm:f"),
        ({"crm.py": "from worker import save", "worker/__init__.py": ""}, "crm:f"),
        ({"crm.py": "from worker import save", "worker.py": ""}, "crm:f"),
        ({"crm.py": "from worker import tasks", "worker/tasks.py": ""}, "crm:f"),
        ({"worker/tasks.py": "async def f(event, key): ..."}, "worker.tasks:f"),
        ({"worker.py": "async def f(event, key): ..."}, "worker:f"),
    ],
)
def test_a_module_with_the_name_of_a_hookline_package_is_refused(
    tmp_path: Path, files: dict[str, str], target: str
) -> None:
    assert f"{NAME_IS_TAKEN}: rename your module" in fault(tmp_path, files, target)


@pytest.mark.parametrize(
    ("files", "target"),
    [
        ({"crm.py": "from shop.gone import save", "shop/__init__.py": ""}, "crm:f"),
        ({"crm.py": "from worker.gone import save"}, "crm:f"),
        ({"crm.py": ""}, "crm:f"),
    ],
)
def test_a_missing_module_is_not_reported_as_a_name_conflict(
    tmp_path: Path, files: dict[str, str], target: str
) -> None:
    assert NAME_IS_TAKEN.partition(",")[0] not in fault(tmp_path, files, target)
