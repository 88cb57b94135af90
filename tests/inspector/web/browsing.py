"""What a person at a browser does, and whether the page is one that everybody can read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from tests.inspector.web.serving import PASSWORD, Served

_AXE = Axe()
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}


@asynccontextmanager
async def tab(
    chromium: Browser, *, dark: bool = False, phone: bool = False, scripts: bool = True
) -> AsyncIterator[Page]:
    """A tab of a profile of its own. At its end no script may have failed in it, and no policy been broken."""
    context = await chromium.new_context(
        color_scheme="dark" if dark else "light",
        viewport=PHONE if phone else DESKTOP,  # type: ignore[arg-type]
        java_script_enabled=scripts,
        reduced_motion="reduce",
    )
    async with context:
        page = await context.new_page()
        page.set_default_timeout(60_000)
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        yield page
        assert not [told for told in complaints if "status of 4" not in told and "status of 5" not in told]


async def log_in(page: Page, served: Served, name: str = "ann", password: str = PASSWORD) -> None:
    await page.goto(f"{served.url}/login")
    await page.fill("#name", name)
    await page.fill("#password", password)
    await page.click("text=Log in >> nth=-1")
    await page.wait_for_selector(".who-name")


async def faults_of(page: Page) -> list[str]:
    """What keeps some people from reading or using the page: axe's serious and critical findings."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_AXE.axe_script)
    violations = await page.evaluate("axe.run({resultTypes: ['violations']}).then(found => found.violations)")
    return [
        f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes']][:3]}"
        for one in violations
        if one["impact"] in {"serious", "critical"}
    ]


async def faults_in_each_look(page: Page) -> list[str]:
    """The same on a phone and on a desktop, light and dark, and where it is wider than the screen."""
    found: list[str] = []
    for dark, phone in product((False, True), repeat=2):
        await page.emulate_media(color_scheme="dark" if dark else "light")
        await page.set_viewport_size(PHONE if phone else DESKTOP)  # type: ignore[arg-type]
        look = f"{dark=} {phone=}"
        found += [f"{look} {fault}" for fault in await faults_of(page)]
        if await is_wider_than_the_screen(page):
            found.append(f"{look} is wider than the screen")
        found += [f"{look} {field} sticks out" for field in await fields_that_stick_out(page)]
    return found


async def fields_that_stick_out(page: Page) -> list[str]:
    """Ids of what is typed or chosen in, and reaches beyond the place that it has."""
    found: list[str] = await page.evaluate(
        """() => Array.from(document.querySelectorAll(".field > input, .field > select"))
            .filter(one => one.getBoundingClientRect().right > one.parentElement.getBoundingClientRect().right + 1)
            .map(one => one.id)"""
    )
    return found


async def is_wider_than_the_screen(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))
