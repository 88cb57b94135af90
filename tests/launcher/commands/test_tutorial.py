"""The tutorial, with its own config, webhook body and commands, on ports that are free here."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from pathlib import Path

from tests.launcher.running import ROOT, Running, environment, hookline
from tests.ports import free_port
from tests.until import until

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def block(pattern: str) -> str:
    (found,) = re.findall(pattern, TUTORIAL, re.DOTALL | re.MULTILINE)
    return str(found)


async def test_it_ends_with_a_mail_and_the_event_on_its_page(tmp_path: Path) -> None:
    mail_port, port = free_port(), free_port()
    config = block(r"^```toml\n(.*?)^```").replace("8025", str(mail_port))
    (tmp_path / "hookline.toml").write_text(config)
    (tmp_path / "body.json").write_text(block(r"<<'BODY'\n(.*?)^BODY$"))
    env = environment(HOOKLINE_RECEIVER_PORT=str(free_port()), HOOKLINE_INSPECTOR_PORT=str(port))
    env["PYTHONUNBUFFERED"] = "1"
    commands = re.findall(r"^hookline (.*)$", TUTORIAL, re.MULTILINE)
    assert len(commands) == 4

    async def output_of(command: str) -> str:
        ran = await asyncio.to_thread(hookline, *command.split(), cwd=tmp_path, env=env)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return str(ran.stdout)

    check, explain, send, events = commands
    mail = Running("-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{mail_port}", cwd=tmp_path, env=env)
    up = Running("-m", "launcher", "up", cwd=tmp_path, env=env)
    try:
        await up.says("inspector_started")
        await up.says("receiver_started")
        assert "no problems found" in await output_of(check)
        assert "40 new points" in await output_of(explain)
        await output_of(send)
        await mail.says("Subject: 40 new points")
        assert all(line in mail.output for line in block(r"^```text\n(From:.*?)^```").splitlines())
        await output_of(send)

        async def listed() -> bool:
            return "duplicate" in await output_of(events)

        await until(listed)
        assert "sent" in await output_of(events)
        search = f"http://127.0.0.1:{port}/events?search=ada@example.com"
        with await asyncio.to_thread(urllib.request.urlopen, search) as page:
            assert "points-mail → mail" in page.read().decode()
        assert mail.output.count("Subject:") == 1
    finally:
        up.kill()
        mail.kill()
