"""Tests of channels in the config: the page about them, and the errors where one cannot work."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.config.channel_checks import channel_faults
from launcher.config.config import CHANNEL_KINDS, read
from sources.voucherify import VOUCHERIFY
from tests.launcher.running import ROOT, environment, hookline
from tests.redis_server import RedisServer
from tests.worker.channels.test_http import server
from tests.worker.conftest import POINTS_ADDED, webhook
from worker.channels.channel import open_channels
from worker.channels.settings import PythonSettings
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.rules.render import Message

PAGE = (ROOT / "docs" / "channels.md").read_text()
SECRETS = {
    "/run/secrets/crm": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "/run/secrets/smtp": "correct horse",
    "/run/secrets/slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#loyalty",
}
NO_FUNCTION = '[channels.crm]\nkind = "python"\ntarget = "no_such_crm:note"\n'

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Apprise imports imghdr and others


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[Path]:
    """Change to a directory with the page's crm.py and its secrets."""
    (program,) = blocks("python")
    (tmp_path / "crm.py").write_text(program)
    (tmp_path / "run" / "secrets").mkdir(parents=True)
    for path, secret in SECRETS.items():
        (tmp_path / path[1:]).write_text(secret)
    here = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(here)


def test_every_example_of_the_page_is_a_valid_config(crm: Path) -> None:
    kinds = set()
    for block in blocks("toml"):
        config = read(tomllib.loads(block.replace("file:/", "file:")), {}, directory=crm)
        assert channel_faults(config.channels) == ()
        kinds |= {type(channel) for channel in config.channels.values()}
    assert kinds == set(CHANNEL_KINDS)


@pytest.mark.parametrize(
    ("status", "outcome"), [(200, Sent()), (429, "RetryLater"), (404, "Permanent"), (500, "ClientResponseError")]
)
@pytest.mark.usefixtures("crm")
async def test_the_function_of_the_page_does_what_it_says(status: int, outcome: Outcome | str) -> None:
    body = webhook(7)
    message = Message(
        key="k", rule="r", source="voucherify", event=POINTS_ADDED, text="", data=VOUCHERIFY.view(body)
    )
    channel = open_channels({"crm": PythonSettings(target="crm:points_added")}, {"voucherify": VOUCHERIFY.model})
    async with server(status) as taken:
        os.environ["CRM_URL"] = taken.url
        result = await channel["crm"].send(message)
    assert (result.error_class if isinstance(result, (Dead, Retry)) else result) == outcome
    headers, posted = taken.posts[0]
    assert headers["Idempotency-Key"] == "k"
    assert b'"points"' in posted


def test_check_reports_every_channel_that_cannot_work_here(tmp_path: Path, redis_server: RedisServer) -> None:
    (tmp_path / "hookline.toml").write_text(
        '[channels.crm]\nkind = "python"\ntarget = "no_such_crm:note"\n'
        '[channels.log]\nkind = "file"\npath = "/nowhere/out.jsonl"\n'
        '[channels.mail]\nkind = "email"\nhost = "smtp"\nsender = "a@b.c"\nca_file = "/nowhere.pem"\n'
        '[channels.shop]\nkind = "http"\nurl = "http://shop"\nsignature = "hmac"\n'
        '[channels.team]\nkind = "apprise"\n'
    )
    env = environment(REDIS_URL=redis_server.url, HOOKLINE_CHANNELS_TEAM_URL="slack://hidden-token")
    ran = hookline("check", cwd=tmp_path, env=env)
    assert ran.returncode == 2, ran.stderr
    for line in (
        "channels.crm.target: there is no module 'no_such_crm'",
        "channels.log.path: there is no directory '/nowhere'",
        "channels.mail.ca_file: no certificates in '/nowhere.pem'",
        'channels.shop.secrets: signature = "hmac" needs a secret',
        "channels.team.url: Apprise does not accept this URL",
    ):
        assert line in ran.stdout
    assert "hidden-token" not in ran.stdout + ran.stderr


def test_a_worker_does_not_start_without_the_functions_of_its_channels(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    (tmp_path / "hookline.toml").write_text(NO_FUNCTION)
    ran = hookline("worker", cwd=tmp_path, env=environment(REDIS_URL=redis_server.url))
    assert ran.returncode == 2
    assert ran.stderr == "hookline: channels.crm.target: there is no module 'no_such_crm'\n"


def test_the_other_commands_do_not_need_what_only_workers_need(tmp_path: Path, redis_server: RedisServer) -> None:
    (tmp_path / "hookline.toml").write_text(NO_FUNCTION)
    ran = hookline("status", cwd=tmp_path, env=environment(REDIS_URL=redis_server.url))
    assert ran.returncode == 0, ran.stderr
