"""Requests whose signatures were published, or recomputed from the providers' own libraries."""

import json
from pathlib import Path
from typing import Any

VECTORS: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_text())
