"""Writes docs/architecture.svg, the way of a webhook through Hookline: `python -m tools.architecture_picture`."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).parents[1] / "docs" / "architecture.svg"

WIDTH, HEIGHT = 1000, 560

TITLE = "The way of a webhook through Hookline"
DESCRIPTION = (
    "A provider posts a signed webhook to the receiver, which writes it to a stream in Redis in batches and then "
    "answers 202. The intake of a worker reads the batches and commits jobs of notifications to Redis. "
    "The delivery of a worker sends them through channels. What cannot be decoded or sent becomes a dead letter "
    "in Redis. Operators see dead letters in the inspector, and replay them to the stream or to the jobs. "
    "While Redis is away, the receiver can keep webhooks on its own disk."
)

# The page behind an embedded picture may be light or dark. The picture follows the reader's system and brings its
# own background, so that it is readable on both.
STYLE = """\
    svg { --ink: #1f2430; --quiet: #5a6172; --line: #8a92a3; --paper: #ffffff; --box: #f3f5f9;
          --main: #1557b0; --bad: #b3261e; }
    @media (prefers-color-scheme: dark) {
      svg { --ink: #e8eaf0; --quiet: #a9b1c2; --line: #757e91; --paper: #14171d; --box: #222733;
            --main: #8ab4f8; --bad: #f2938c; }
    }
    text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; font-size: 14px;
           fill: var(--ink); text-anchor: middle; }
    .name { font-weight: 600; font-size: 16px; }
    .detail { fill: var(--quiet); font-size: 13px; }
    .start { text-anchor: start; }
    .end { text-anchor: end; }
    .paper { fill: var(--paper); }
    .box { fill: var(--box); stroke: var(--line); }
    .frame { fill: none; stroke: var(--line); stroke-opacity: 0.6; }
    .main { fill: none; stroke: var(--main); stroke-width: 2; marker-end: url(#main); }
    .bad { fill: none; stroke: var(--bad); stroke-width: 2; marker-end: url(#bad); }
    .side { fill: none; stroke: var(--quiet); stroke-width: 1.5; stroke-dasharray: 6 4; marker-end: url(#side); }
    .tip-main { fill: var(--main); }
    .tip-bad { fill: var(--bad); }
    .tip-side { fill: var(--quiet); }"""


class Box(NamedTuple):
    """A labelled rectangle: position and size in pixels, a name, and lines of detail below it."""

    x: int
    y: int
    width: int
    height: int
    name: str
    details: tuple[str, ...] = ()


class Frame(NamedTuple):
    """An outline around boxes that belong together."""

    x: int
    y: int
    width: int
    height: int
    name: str


class Arrow(NamedTuple):
    """A path with a tip. `kind` is main, bad or side, and determines its colour."""

    kind: str
    path: str


class Label(NamedTuple):
    """The text of an arrow. `anchor` is middle, start or end: which part of the text is at x."""

    x: int
    y: int
    text: str
    anchor: str = "middle"


FRAMES = (
    Frame(428, 32, 388, 130, "worker"),
    Frame(214, 238, 602, 118, "Redis"),
)

BOXES = (
    Box(16, 64, 124, 82, "provider", ("such as", "Voucherify")),
    Box(230, 64, 140, 82, "receiver", ("verifies webhooks,", "forms batches")),
    Box(444, 64, 160, 82, "intake", ("decodes bodies,", "applies rules")),
    Box(640, 64, 160, 82, "delivery", ("renders and sends,", "retries with back-off")),
    Box(872, 64, 112, 82, "channels", ("HTTP, e-mail,", "Slack, Python")),
    Box(16, 266, 124, 74, "disk", ("spill_dir,", "off by default")),
    Box(230, 266, 140, 74, "stream", ("batches of", "raw bodies")),
    Box(484, 266, 136, 74, "jobs", ("notifications", "that wait")),
    Box(668, 266, 132, 74, "dead letters", ("body, cause", "and attempts")),
    Box(668, 446, 132, 82, "inspector", ("pages, API,", "hookline dead")),
    Box(872, 446, 112, 82, "operator"),
)

ARROWS = (
    Arrow("main", "M140 94 H226"),
    Arrow("side", "M230 124 H144"),
    Arrow("main", "M300 146 V262"),
    Arrow("main", "M370 303 H464 V150"),
    Arrow("main", "M560 146 V262"),
    Arrow("main", "M620 303 H648 V150"),
    Arrow("main", "M800 105 H868"),
    Arrow("bad", "M734 162 V262"),
    Arrow("bad", "M734 340 V442"),
    Arrow("main", "M868 487 H804"),
    Arrow("main", "M668 487 H300 V344"),
    Arrow("main", "M668 487 H552 V344"),
    Arrow("side", "M250 146 V200 H78 V262"),
    Arrow("side", "M140 303 H226"),
)

LABELS = (
    Label(184, 84, "1 POST"),
    Label(184, 142, "3 202"),
    Label(308, 190, "2 one write", "start"),
    Label(308, 208, "per batch", "start"),
    Label(456, 226, "4 read", "end"),
    Label(568, 190, "5 commit", "start"),
    Label(640, 226, "6 claim", "end"),
    Label(834, 95, "7 send"),
    Label(744, 190, "undecodable, refused or", "start"),
    Label(744, 208, "out of attempts", "start"),
    Label(744, 396, "list, show, dry run", "start"),
    Label(426, 508, "replay: a body to the stream, a notification to the jobs"),
    Label(90, 192, "while Redis is away", "start"),
    Label(184, 294, "later"),
)


def picture() -> str:
    """Return the SVG document."""
    return "\n".join([*_head(), *_shapes(), "</svg>", ""])


def _head() -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'role="img" aria-labelledby="title description">'
    )
    yield "  <!-- Written by `python -m tools.architecture_picture`: change it there. -->"
    yield f'  <title id="title">{escape(TITLE)}</title>'
    yield f'  <desc id="description">{escape(DESCRIPTION)}</desc>'
    yield f"  <style>\n{STYLE}\n  </style>"
    yield "  <defs>"
    for kind in ("main", "bad", "side"):
        yield (
            f'    <marker id="{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" '
            f'markerWidth="10" markerHeight="10" orient="auto">'
            f'<path class="tip-{kind}" d="M0 0 L8 4 L0 8 z"/></marker>'
        )
    yield "  </defs>"


def _shapes() -> Iterator[str]:
    yield f'  <rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="12"/>'
    for frame in FRAMES:
        yield _rectangle("frame", frame.x, frame.y, frame.width, frame.height)
        yield _text("name start", frame.x + 16, frame.y + 22, frame.name)
    for box in BOXES:
        yield from _box(box)
    for arrow in ARROWS:
        yield f'  <path class="{arrow.kind}" d="{arrow.path}"/>'
    for label in LABELS:
        yield _text(label.anchor, label.x, label.y, label.text)


def _box(box: Box) -> Iterator[str]:
    yield _rectangle("box", box.x, box.y, box.width, box.height)
    middle = box.x + box.width // 2
    # A line is 18 px high; the block of lines is centred in the box.
    top = box.y + box.height // 2 - 9 * len(box.details) + 5
    yield _text("name", middle, top, box.name)
    for number, detail in enumerate(box.details, 1):
        yield _text("detail", middle, top + 18 * number, detail)


def _rectangle(style: str, x: int, y: int, width: int, height: int) -> str:
    return f'  <rect class="{style}" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>'


def _text(style: str, x: int, y: int, text: str) -> str:
    return f'  <text class="{style}" x="{x}" y="{y}">{escape(text)}</text>'


if __name__ == "__main__":
    FILE.write_text(picture(), encoding="utf-8")
