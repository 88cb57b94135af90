"""Tests of the sample config of the README, from its signed webhooks to real servers on this machine."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from standardwebhooks import Webhook

from broker.monitoring.stats import read_totals
from broker.redis.client import Client
from sources.secret import Secret
from tests.inspector.stack import EVENT
from tests.launcher.running import ROOT, environment, hookline
from tests.launcher.stack import KIND, Stack
from tests.redis_server import RedisServer
from tests.until import until
from tests.worker.channels.servers import PASSWORD, USER, Mailbox, certificates, smtp_server
from tests.worker.channels.test_http import Taken, server

README = (ROOT / "README.md").read_text(encoding="utf-8")
(SAMPLE,) = re.findall(r"^```toml\n(.*?)^```", README, re.DOTALL | re.MULTILINE)

VOUCHERIFY = Secret("what-voucherify-signs-with")
CRM = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ELSEWHERE = {
    "HOOKLINE_SOURCES_VOUCHERIFY_SECRETS": VOUCHERIFY.reveal().decode(),
    "HOOKLINE_CHANNELS_MAIL_PASSWORD": PASSWORD,
    "HOOKLINE_CHANNELS_CRM_SECRETS": CRM,
    "HOOKLINE_CHANNELS_TEAM_URL": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#loyalty",
}
"""The secrets that the sample reads from files."""

FAULTS = (
    ("balance.points | number", "balance.points | nubmer", "rules[0].subject", "nubmer"),
    ('to = "', 'too = "', "rules[0].too", "did you mean to"),
    ("balance.points >= 1000", "balance.points >=", "rules[2].when", "not a Jinja2 expression"),
    ('channel = "team"', 'channel = "taem"', "rules[2].channel", "did you mean team"),
)
"""Correct text in the sample, a faulty replacement, its key, and words of the reason."""


class Targets(msgspec.Struct, frozen=True):
    """The mail server, the CRM and the chat, and the settings that lead to them."""

    mail: Mailbox
    crm: Taken
    team: Taken
    variables: dict[str, str]


@asynccontextmanager
async def running_targets(directory: Path) -> AsyncIterator[Targets]:
    authority, tls = certificates()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    async with AsyncExitStack() as servers:
        mail = await servers.enter_async_context(smtp_server(tls_context=tls, auth_required=True))
        crm, team = [await servers.enter_async_context(server()) for _ in range(2)]
        yield Targets(
            mail.box,
            crm,
            team,
            ELSEWHERE
            | {
                "HOOKLINE_CHANNELS_MAIL_HOST": "localhost",
                "HOOKLINE_CHANNELS_MAIL_PORT": str(mail.port),
                "HOOKLINE_CHANNELS_MAIL_CA_FILE": str(directory / "ca.pem"),
                "HOOKLINE_CHANNELS_CRM_URL": crm.url,
                "HOOKLINE_CHANNELS_CRM_ALLOW_PRIVATE": "true",
                "HOOKLINE_CHANNELS_TEAM_URL": team.url.replace("http://", "json://"),
            },
        )


def webhook(number: int, points: int) -> bytes:
    body = msgspec.json.decode(KIND.sample(number, EVENT))
    body["data"]["balance"]["points"] = points
    return msgspec.json.encode(body)


def customer(body: bytes) -> dict[str, Any]:
    return dict(msgspec.json.decode(body)["data"]["customer"])


def balance(body: bytes) -> str:
    return f"{msgspec.json.decode(body)['data']['balance']['balance']:,}"


async def test_the_customer_gets_a_mail_the_crm_every_event_and_the_team_only_the_big_one(
    tmp_path: Path, redis_server: RedisServer, redis: Client
) -> None:
    small, big = webhook(1, 40), webhook(2, 1500)
    async with running_targets(tmp_path) as there:
        stack = Stack(tmp_path, redis_server, **there.variables)
        stack.configure(SAMPLE)
        try:
            await stack.start("receiver")
            await stack.start("worker")
            assert await stack.post_body("voucherify", VOUCHERIFY, small) == 202
            assert await stack.post_body("voucherify", VOUCHERIFY, big) == 202
            await until(lambda: len(there.mail.raw) == len(there.crm.posts) == 2 and there.team.posts)
            await until(lambda: all_is_settled(redis))
        finally:
            stack.kill()

    assert set(there.mail.logins) == {USER}
    mails = {mail["To"]: mail for mail in there.mail.mails}
    for body, points in ((small, "40"), (big, "1,500")):
        mail = mails[customer(body)["email"]]
        assert (mail["From"], mail["Subject"]) == (
            "Coffee Club <club@example.com>",
            f"{points} new points",
        )
        text = f"Hello {customer(body)['name']}, your balance is {balance(body)} points now."
        assert mail.get_content().strip() == text

    posted = [signed(headers, post) for headers, post in there.crm.posts]
    assert {post["rule"] for post in posted} == {"points-crm"}
    assert sorted(post["data"]["balance"]["points"] for post in posted) == [40, 1500]

    ((_, post),) = there.team.posts
    assert msgspec.json.decode(post)["message"] == f"{customer(big)['name']} got 1,500 points"


async def all_is_settled(redis: Client) -> bool:
    totals = await read_totals(redis)
    return (totals.processed, totals.created, totals.sent) == (2, 5, 5)


def signed(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return the content of a POST; raise if its signature was not made with the CRM's secret."""
    return dict(Webhook(CRM).verify(body, {name.lower(): value for name, value in headers.items()}))


def test_check_finds_no_fault_in_the_sample(tmp_path: Path, redis_server: RedisServer) -> None:
    (tmp_path / "hookline.toml").write_text(SAMPLE)

    ran = hookline("check", cwd=tmp_path, env=environment(REDIS_URL=redis_server.url, **ELSEWHERE))

    assert ran.returncode == 0, ran.stdout


def test_faults_in_the_sample_are_all_reported_with_line_and_key(tmp_path: Path) -> None:
    faulty = SAMPLE
    for right, wrong, _, _ in FAULTS:
        faulty = faulty.replace(right, wrong, 1)
    (tmp_path / "hookline.toml").write_text(faulty)

    ran = hookline("check", cwd=tmp_path, env=environment(**ELSEWHERE))

    assert ran.returncode == 2
    for _, wrong, key, reason in FAULTS:
        line = next(number for number, text in enumerate(faulty.splitlines(), 1) if wrong in text)
        (message,) = [text for text in ran.stdout.splitlines() if key in text]
        assert f"line {line}" in message
        assert reason in message
