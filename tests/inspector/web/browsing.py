"""Actions of a user in a browser, and checks of the accessibility of pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from tests.inspector.web.serving import PASSWORD, Served

_AXE = Axe()
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}


@asynccontextmanager
async def tab(
    chromium: Browser, *, dark: bool = False, phone: bool = False, scripts: bool = True, zone: str = "UTC"
) -> AsyncIterator[Page]:
    """Open a tab with its own profile. At the end, no script may have failed and no policy been violated."""
    context = await chromium.new_context(
        color_scheme="dark" if dark else "light",
        viewport=PHONE if phone else DESKTOP,  # type: ignore[arg-type]
        java_script_enabled=scripts,
        timezone_id=zone,
        locale="en-GB",
        reduced_motion="reduce",
    )
    async with context:
        page = await context.new_page()
        page.set_default_timeout(60_000)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        yield page
        assert not [text for text in errors if "status of 4" not in text and "status of 5" not in text]


async def log_in(page: Page, served: Served, name: str = "ann", password: str = PASSWORD) -> None:
    await page.goto(f"{served.url}/login")
    await page.fill("#name", name)
    await page.fill("#password", password)
    await page.click("text=Log in >> nth=-1")
    await page.wait_for_selector(".who-name")


async def faults_of(page: Page, *, only_colors: bool = False) -> list[str]:
    """Return the accessibility problems that axe finds on the page."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_AXE.axe_script)
    chosen = "runOnly: ['color-contrast', 'link-in-text-block']" if only_colors else "resultTypes: ['violations']"
    violations = await page.evaluate(f"axe.run({{{chosen}}}).then(problems => problems.violations)")
    return [f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes']][:3]}" for one in violations]


async def faults_in_each_look(page: Page) -> list[str]:
    """Return the problems on a desktop, on a phone and on a dark phone, and where a page is too wide.

    What is dark differs from what is light in its colors only, and colors do not depend on the size.
    """
    problems: list[str] = []
    for dark, phone in ((False, False), (False, True), (True, True)):
        await page.emulate_media(color_scheme="dark" if dark else "light")
        await page.set_viewport_size(PHONE if phone else DESKTOP)  # type: ignore[arg-type]
        look = f"{dark=} {phone=}"
        problems += [f"{look} {fault}" for fault in await faults_of(page, only_colors=dark)]
        if await is_wider_than_the_screen(page):
            problems.append(f"{look} is wider than the screen")
        problems += [f"{look} {field} sticks out" for field in await fields_that_stick_out(page)]
    return problems


async def fields_that_stick_out(page: Page) -> list[str]:
    """Return the ids of input elements that are larger than their container."""
    ids: list[str] = await page.evaluate(
        """() => Array.from(document.querySelectorAll(".field > input, .field > select"))
            .filter(one => one.getBoundingClientRect().right > one.parentElement.getBoundingClientRect().right + 1)
            .map(one => one.id)"""
    )
    return ids


async def is_wider_than_the_screen(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))
