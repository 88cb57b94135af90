"""Requests whose signatures were published, or recomputed from the providers' own libraries."""

import json
from pathlib import Path

VECTORS: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "vectors.json").read_text())
