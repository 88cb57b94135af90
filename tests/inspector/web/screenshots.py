"""Makes pictures of the pages, with made-up data, in four looks each.

`python -m tests.inspector.web.screenshots DIRECTORY [--tall]`
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.partitions import Partitions
from inspector.operations import bulk_actions, search, single_letter
from inspector.operations.filters import Filter
from inspector.operations.groups import group_changes
from inspector.operations.groups.failure_groups import list_groups
from tests.inspector.web.browsing import DESKTOP, PHONE
from tests.inspector.web.conftest import FLAGS, NAMES
from tests.inspector.web.dead_letter_fixtures import (
    CONFIGURED,
    DRY_RUNNER,
    add_dead_letters,
    broken,
    example_letters,
)
from tests.inspector.web.serving import Served, serving
from tests.redis_server import RedisServer

DOCS = Path(__file__).parents[3] / "docs"


async def _fill(server: RedisServer) -> dict[str, str]:
    """Fill Redis. Returns name of the picture -> address of the page."""
    redis = connect(RedisSettings(url=server.url))
    try:
        await add_dead_letters(redis, example_letters())
        mail = (await search.find(Partitions([redis]), Filter(channel="mail"), limit=1)).entries[0].letter
        odd = (
            await search.find(
                Partitions([redis]), Filter(stage="intake", error_class=broken(1).letter.error_class)
            )
        ).entries
        crm = (await search.find(Partitions([redis]), Filter(channel="crm"), limit=1)).entries[0].letter
        await single_letter.add_note(
            Partitions([redis]), odd[0].letter.id, "Reported to the shop team: balance is sent as words.", by="ann"
        )
        newest, _, muted, *_ = await list_groups(Partitions([redis]))
        await group_changes.assign(Partitions([redis]), newest.fingerprint, "crm team", by="ann")
        await group_changes.note(Partitions([redis]), newest.fingerprint, "They deploy a fix on Monday.", by="ann")
        await group_changes.mute(Partitions([redis]), muted.fingerprint, by="ann")
        for verb, wanted in (("annotate", Filter(channel="mail")), ("dry_run", Filter())):
            chosen = await bulk_actions.select(Partitions([redis]), wanted)
            action = await bulk_actions.begin(
                Partitions([redis]), verb, chosen, by="ann", owner="me", note="asked"
            )  # type: ignore[arg-type]
            async for _ in bulk_actions.run(Partitions([redis]), action, owner="me", dry_run=DRY_RUNNER.of):
                pass
    finally:
        await redis.aclose(close_connection_pool=True)
    return {
        "overview": "/",
        "letters": "/dead?channel=crm",
        "letter": f"/dead/{odd[0].letter.id}",
        "letter-mail": f"/dead/{mail.id}",
        "letter-crm": f"/dead/{crm.id}",
        "groups": "/groups",
        "group": f"/groups/{newest.fingerprint}",
        "actions": "/actions",
        "action": f"/actions/{action}",
        "audit": "/audit",
        "channels": "/channels",
    }


async def _picture(browser: Browser, served: Served, address: str, path: Path, *, dark: bool, phone: bool) -> None:
    context = await browser.new_context(
        color_scheme="dark" if dark else "light",
        viewport=(PHONE if phone else DESKTOP) | ({"height": 2000} if "--tall" in sys.argv else {}),  # type: ignore[arg-type]
    )
    async with context:
        page = await context.new_page()
        await page.goto(served.url + address)
        await page.screenshot(path=path)
        if address == "/dead?channel=crm":
            await page.check("input[value=all]")
            await page.click("text=Discard")
            await page.screenshot(path=path.with_name(path.name.replace("letters", "preview")))


async def _main(directory: Path) -> None:
    path = next(found for name in NAMES if (found := shutil.which(name)))
    with tempfile.TemporaryDirectory(prefix="hookline-") as data:
        server = RedisServer(Path(data)).start()
        try:
            addresses = await _fill(server)
            async with (
                serving(server.url, configured=CONFIGURED) as served,
                async_playwright() as playwright,
                await playwright.chromium.launch(
                    executable_path=path, args=[*FLAGS, "--disable-dev-shm-usage"]
                ) as browser,
            ):
                for name, address in addresses.items():
                    for dark, phone in ((False, False), (True, False), (False, True), (True, True)):
                        look = f"{'dark' if dark else 'light'}-{'phone' if phone else 'desktop'}"
                        picture = directory / f"inspector-{name}-{look}.png"
                        await _picture(browser, served, address, picture, dark=dark, phone=phone)
        finally:
            server.stop()


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    asyncio.run(_main(Path(arguments[0]) if arguments else DOCS))
