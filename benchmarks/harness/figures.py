"""The figures that benchmarks return, and the table that shows them."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from rich.console import Console
from rich.table import Table


class Figure(Struct, frozen=True):
    """A line of the table. A ratio compares two sides in the same run, and is not a speed of the machine."""

    what: str
    measured: str
    """The two sides of the ratio, or details of the value, with units."""

    value: float
    """The value that is compared with the goal."""

    goal: float | None
    """The goal; None if the value is only shown for information."""

    unit: str = "x"
    """The unit of the value and of the goal. Defaults to `x`, for a ratio."""

    at_most: bool = False
    """True if the goal is an upper limit, for example of bytes or milliseconds. By default it is a lower limit."""

    @property
    def met(self) -> bool | None:
        """True if the value reaches the goal; None without a goal."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal


def print_table(figures: Iterable[Figure]) -> None:
    """Print a table with one line for each figure."""
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
