"""Models of a provider's events: the payload as a typed struct, and its differences from the model.

A model has the documented fields that are useful, and not all: other keys are ignored. A field without a default
is always sent. A payload that does not fit has no typed struct, and its differences are drift; the event itself is
decoded without the model, so it is never lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from sources.drift_finding import Finding
from sources.shared.differences import differences
from sources.shared.shapes import shape_of

Models = Mapping[str, type[Struct]]
"""The models by event name. A name that ends in `*` is that of all events that begin with the text before it."""


class TypedEvents:
    """The models of one provider, as the `model` and `compare` of its Provider."""

    def __init__(self, models: Models, *, root: str = "$") -> None:
        """root: the JSON path of the payload in the body. Defaults to the whole body or item."""
        self._models = models
        self._prefixes = tuple((name[:-1], model) for name, model in models.items() if name.endswith("*"))
        self._root = root

    def model(self, event: str, payload: Any) -> Struct | None:
        """The payload as its event's model; None without a model, or if the payload does not fit."""
        model = self._model_of(event)
        if model is None:
            return None
        try:
            return msgspec.convert(payload, model)
        except msgspec.ValidationError:
            return None

    def compare(self, event: str, payload: Mapping[str, Any]) -> Sequence[Finding]:
        """The missing keys and changed types of a payload; none without a model."""
        model = self._model_of(event)
        return () if model is None else differences((shape_of(model),), payload, self._root, new_keys=False)

    def _model_of(self, event: str) -> type[Struct] | None:
        model = self._models.get(event)
        if model is not None:
            return model
        return next((model for prefix, model in self._prefixes if event.startswith(prefix)), None)
