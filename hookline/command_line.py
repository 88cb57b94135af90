"""The entry point of the `hookline` command."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

# Not from `runtime.own_packages`: `runtime` may be the name that is taken.
PACKAGES = ("runtime", "sources", "broker", "receiver", "worker", "inspector", "launcher")


def main() -> None:
    """Run the command. Exits with 2 where a module of the user's would be imported instead of Hookline's own."""
    for name in PACKAGES:
        other = _other_module(name)
        if other:
            sys.stderr.write(
                f"hookline: Python imports {other} instead of Hookline's own package {name!r}: "
                "rename it, or take its directory out of PYTHONPATH\n"
            )
            sys.exit(2)
    from launcher.cli import main as run  # noqa: PLC0415 - not before it is known to be Hookline's

    run()


def _other_module(name: str) -> str:
    """Return the file of a package of this name that is not beside this one; "" where there is no other."""
    spec = find_spec(name)
    own = Path(__file__).parents[1] / name / "__init__.py"
    return "" if spec is None or spec.origin is None or Path(spec.origin) == own else spec.origin
