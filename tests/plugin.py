"""Packages with entry points for providers, as an installer would leave them in a directory."""

from __future__ import annotations

import re
from pathlib import Path

_PAGE = Path(__file__).parents[1] / "docs" / "providers.md"
_SECTION = re.compile(
    r"^## Your own provider in code\n.*?^```python\n(.*?)^```.*?^```toml\n(.*?)^```", re.M | re.S
)


def documented() -> tuple[str, str]:
    """Return the module and the pyproject.toml that the documents show."""
    found = _SECTION.search(_PAGE.read_text())
    assert found
    return found[1], found[2]


def install(site: Path, package: str, offers: str, **modules: str) -> Path:
    """Write a package's metadata, with lines such as `acme = acme_hooks:PROVIDER`, and its modules."""
    metadata = site / f"{package.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[hookline.providers]\n{offers}\n")
    for name, code in modules.items():
        (site / f"{name}.py").write_text(code)
    return site
