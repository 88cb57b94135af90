"""The folders of examples/: the programs and commands of each README run, with what it says as a result."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest

from tests.deploy.kubernetes import faults, named, needs_kubectl, render
from tests.launcher.running import ROOT, Running, environment, hookline
from tests.ports import free_port
from tests.until import until

EXAMPLES = ROOT / "examples"
FOLDERS = sorted(path.parent.name for path in EXAMPLES.glob("*/hookline.toml"))
SHORT_WINDOW = ('window = "1h"', 'window = "2s"')


def blocks(page: str) -> list[list[str]]:
    """Return the command lines of each block of "Try it"."""
    trial = page.partition("\n## Try it\n")[2].partition("\n## ")[0]
    return [block.splitlines() for block in re.findall(r"^```sh\n(.*?)^```", trial, re.DOTALL | re.MULTILINE)]


def berlin(hours: int) -> str:
    """Return the time in Berlin in so many hours."""
    return (datetime.now(UTC) + timedelta(hours=hours)).astimezone(ZoneInfo("Europe/Berlin")).strftime("%H:%M")


class Trial:
    """A copy of a folder, with ports that are free here, and what its programs print."""

    def __init__(self, directory: Path, name: str, changes: dict[str, str], **variables: str) -> None:
        self.folder = directory / name
        shutil.copytree(EXAMPLES / name, self.folder)
        shutil.copy(EXAMPLES / "target.py", directory)
        self._ports = {port: str(free_port()) for port in ("8025", "9000")}
        config = (self.folder / "hookline.toml").read_text()
        for right, other in changes.items():
            assert right in config
            config = config.replace(right, other)
        (self.folder / "hookline.toml").write_text(config)
        page = (self.folder / "README.md").read_text()
        *self._programs, self._commands = blocks(page)
        lines = self._here((self.folder / "trial.env").read_text()).splitlines()
        trial = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
        self.env = environment(HOOKLINE_RECEIVER_PORT=str(free_port()), **trial, **variables)
        self.env["PYTHONUNBUFFERED"] = "1"
        self._running: dict[str, Running] = {}

    def _here(self, text: str) -> str:
        return re.sub("|".join(self._ports), lambda match: self._ports[match[0]], text)

    async def start(self) -> None:
        """Start the programs of the page, each in a terminal of its own."""
        for lines in self._programs:
            words = self._here(lines[-1]).split()
            if words[0] == "hookline":
                self._running["up"] = Running("-m", "launcher", *words[1:], cwd=self.folder, env=self.env)
                await self._running["up"].says("receiver_started")
                await self._running["up"].says("worker_started")
            else:
                assert words[0] == "python"
                name = "mail" if "aiosmtpd" in words else "target"
                self._running[name] = Running(*words[1:], cwd=self.folder, env=self.env)

    def printed(self, name: str) -> str:
        return self._running[name].output

    async def run_commands(self) -> dict[str, str]:
        """Run the commands of the page. Returns what each printed."""
        printed = {}
        for line in self._commands:
            if line.startswith("hookline "):
                printed[line] = await self.run(*line.split()[1:])
        return printed

    async def run(self, *arguments: str) -> str:
        ran = await asyncio.to_thread(hookline, *arguments, cwd=self.folder, env=self.env)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return str(ran.stdout)

    def kill(self) -> None:
        for running in self._running.values():
            running.kill()


@asynccontextmanager
async def tried(directory: Path, name: str, changes: dict[str, str], **variables: str) -> AsyncIterator[Trial]:
    with TemporaryDirectory(prefix="hookline-") as data:  # the path of a socket must be short
        trial = Trial(directory, name, changes, HOOKLINE_UP_DATA_DIR=data, **variables)
        try:
            await trial.start()
            yield trial
        finally:
            trial.kill()


def has(read: Callable[[], str], *texts: str) -> Callable[[], bool]:
    return lambda: all(text in read() for text in texts)


def test_each_folder_is_tested_here() -> None:
    assert FOLDERS == ["high-volume", "loyalty", "shop"]


async def test_the_loyalty_programme_mails_by_day_keeps_the_newest_redemption_and_digests_tiers(
    tmp_path: Path,
) -> None:
    day = {'from = "21:00", to = "08:00"': f'from = "{berlin(2)}", to = "{berlin(4)}"'}
    async with tried(tmp_path, "loyalty", day | dict([SHORT_WINDOW])) as trial:
        printed = await trial.run_commands()
        assert "no problems found" in printed["hookline check"]
        mail, crm = (lambda: trial.printed("mail")), (lambda: trial.printed("target"))
        await until(has(mail, "Subject: 40 new points", "To: ada@example.com", "on 1 July 2026"))
        await until(has(mail, "Subject: Tier changes: Coffee Club", "Ada: Silver to Gold"))
        await until(has(crm, "/redemptions redeemed-crm", "WELCOME-17 redeemed by crm-17"))

        async def settled() -> bool:
            events = await trial.run("events")
            return "skipped" in events and "duplicate" in events

        await until(settled)
        assert crm().count("redeemed-crm") == 1
        assert mail().count("Subject:") == 2


async def test_at_night_the_mail_of_the_loyalty_programme_waits(tmp_path: Path) -> None:
    night = {'from = "21:00", to = "08:00"': f'from = "{berlin(-2)}", to = "{berlin(2)}"'}
    trial = Trial(tmp_path, "loyalty", night)
    assert "sent after that" in await trial.run("explain", "points-added.json")


async def test_the_shop_sends_orders_large_orders_and_failed_payments_where_they_belong(tmp_path: Path) -> None:
    async with tried(tmp_path, "shop", {}) as trial:
        printed = await trial.run_commands()
        assert "no problems found" in printed["hookline check"]
        await until(has(lambda: trial.printed("mail"), "Subject: Payment failed", "To: billing@example.com"))
        target = lambda: trial.printed("target")  # noqa: E731
        await until(has(target, "/orders order", "#1001: paid", "/chat payment-failed", "/chat large-order"))
        await until(lambda: target().count("/orders order") == 2)
        assert "Large order #1001 of ada@example.com: 149.90 EUR, Espresso machine" in target()
        assert target().count("/chat") == 2


async def test_high_volume_goes_through_all_partitions_and_a_dead_letter_raises_an_alert(tmp_path: Path) -> None:
    # A source that is expected every second makes workers look for alerts every second.
    often = {"HOOKLINE_SOURCES_VOUCHERIFY_EXPECT_EVERY_S": "1"}
    async with tried(tmp_path, "high-volume", {}, **often) as trial:
        printed = await trial.run_commands()
        assert "all as expected" in printed["hookline send --count 500 --concurrency 64 --duplicates 0.1"]
        assert "undecodable" in printed["hookline dead groups"]

        async def all_sent() -> bool:
            status = await trial.run("status")
            return "queued 0" in status and "waiting 0" in status

        await until(all_sent)
        assert re.search(r"^ +15 +\S+redis\.sock +ok", await trial.run("status"), re.MULTILINE)
        await until(has(lambda: trial.printed("target"), "/ops alert"))
        assert trial.printed("target").count("/events crm") > 400


@needs_kubectl
def test_the_overlay_of_high_volume_is_valid_and_has_the_config_of_its_folder() -> None:
    objects = render(EXAMPLES / "high-volume")
    assert [fault for each in objects for fault in faults(each)] == []
    config = (EXAMPLES / "high-volume" / "hookline.toml").read_text()
    assert named(objects, "ConfigMap", "hookline")["data"] == {"hookline.toml": config}
    assert named(objects, "ScaledObject", "worker")["spec"]["maxReplicaCount"] == 16


@pytest.mark.parametrize("name", ["loyalty", "shop"])
def test_the_page_of_a_folder_names_each_secret_that_its_sources_need(name: str) -> None:
    trial, page = ((EXAMPLES / name / file).read_text() for file in ("trial.env", "README.md"))
    secrets = re.findall(r"^(HOOKLINE_SOURCES_\w+_SECRETS)=", trial, re.MULTILINE)
    assert secrets
    assert [secret for secret in secrets if secret not in page] == []
