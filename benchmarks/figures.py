"""What a benchmark found, and the table of all of them."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from rich.console import Console
from rich.table import Table


class Figure(Struct, frozen=True):
    """One line of the table. The ratio and its goal belong to one run: neither is a speed of this machine."""

    what: str
    measured: str
    """The two sides of the ratio, or the value itself, with units."""

    value: float
    """What is compared with the goal."""

    goal: float | None
    """None where none was set: the value is shown for information."""

    unit: str = "x"
    at_most: bool = False
    """The goal is an upper bound (bytes, milliseconds), not a lower one."""

    @property
    def met(self) -> bool | None:
        """Whether the value reaches the goal, None without one."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal


def print_table(figures: Iterable[Figure]) -> None:
    """Print one line a figure."""
    table = Table(title="Figures against their goals", title_justify="left")
    for heading in ("what", "measured"):
        table.add_column(heading, overflow="fold")
    for heading in ("value", "goal"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("met")
    for figure in figures:
        sign = "<=" if figure.at_most else ">="
        table.add_row(
            figure.what,
            figure.measured,
            f"{_short(figure.value)} {figure.unit}",
            "" if figure.goal is None else f"{sign} {figure.goal:g} {figure.unit}",
            {None: "", True: "yes", False: "NO"}[figure.met],
        )
    Console(width=None if Console().is_terminal else 130).print(table)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
