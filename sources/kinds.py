"""The providers by name: those of Hookline, and those that installed packages offer as plug-ins.

A package offers a provider as an entry point of the group `hookline.providers`. Its code is imported when its name
is looked up, and not before, so that a defect of one plug-in concerns only the sources that use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from functools import cached_property
from typing import TYPE_CHECKING

from sources.errors import SourceError
from sources.provider import Provider

if TYPE_CHECKING:  # importlib.metadata takes long to import
    from importlib.metadata import EntryPoint

GROUP = "hookline.providers"
"""The group of the entry points."""

RESERVED = frozenset({"hmac", "token", "none"})
"""Kinds that a table of the source describes instead of code, so that no plug-in may have their names."""

_TAKEN = "it offers a provider with the name of one of Hookline's own kinds: rename it, or remove the package"
_FUNCTIONS = ("verify", "sign", "decode", "view", "sample")
_NAMES = ("signature_headers", "kept_headers")


class PluginError(SourceError, KeyError):
    """A plug-in cannot be used; the text names its package and says what is wrong."""

    __str__ = Exception.__str__  # that of KeyError adds quotes


class Kinds(MutableMapping[str, Provider]):
    """The providers by name. Names of plug-ins are listed without importing them.

    A lookup raises KeyError for a name that is unknown, and PluginError, which is a KeyError too, for a plug-in
    that cannot be used.
    """

    def __init__(self, built_in: Iterable[Provider]) -> None:
        self._loaded = {provider.name: provider for provider in built_in}
        self._built_in = frozenset(self._loaded)
        self._faults: dict[str, str] = {}

    def __getitem__(self, name: str) -> Provider:
        if name not in self._loaded and name in self._offers:
            self._load(name)
        if name not in self._loaded and name in self._faults:
            raise PluginError(self._faults[name])
        return self._loaded[name]

    def __setitem__(self, name: str, provider: Provider) -> None:
        self._loaded[name] = provider

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._loaded, *self._offers)))

    def __len__(self) -> int:
        return len(set(self))

    def __contains__(self, name: object) -> bool:
        return name in self._loaded or name in self._offers

    def in_use(self) -> list[Provider]:
        """The providers of Hookline, and the plug-ins that were looked up."""
        return list(self._loaded.values())

    def fault(self, name: str) -> str:
        """Why the plug-in with this name cannot be used; "" if it can be, or if no plug-in has it."""
        offers = self._offers.get(name, ())
        if name in self._built_in and offers:
            return f"{_packages(offers)}: {_TAKEN}"
        try:
            self[name]
        except PluginError as error:
            return str(error)
        except KeyError:
            return ""
        return ""

    @cached_property
    def _offers(self) -> dict[str, list[EntryPoint]]:
        # Imported late: no command that needs no provider has to wait for it.
        from importlib.metadata import entry_points  # noqa: PLC0415

        offers: dict[str, list[EntryPoint]] = {}
        for offer in entry_points(group=GROUP):
            offers.setdefault(offer.name, []).append(offer)
        return offers

    def _load(self, name: str) -> None:
        if name in self._faults:
            return
        offers = self._offers[name]
        if name in RESERVED:
            loaded: Provider | str = _TAKEN
        elif len(offers) > 1:
            loaded = "several packages offer this provider: remove one"
        else:
            loaded = _loaded(offers[0])
        if isinstance(loaded, Provider):
            self._loaded[name] = loaded
        else:
            self._faults[name] = f"{_packages(offers)}: {loaded}"


def _loaded(offer: EntryPoint) -> Provider | str:
    """The provider of an entry point, or why it cannot be used."""
    try:
        found = offer.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the code of a plug-in may raise anything
        reason = " ".join(str(error).split())  # in one line
        return f"{offer.value} cannot be imported: {type(error).__name__}: {reason}"
    if not isinstance(found, Provider):
        return f"{offer.value} is a {type(found).__name__}, and no hookline.Provider"
    reason = _wrong_field(found)
    if not reason and found.name != offer.name:
        reason = f'name is "{found.name}", and the entry point is named "{offer.name}": write the same name'
    return f"{offer.value}: {reason}" if reason else found


def _wrong_field(provider: Provider) -> str:
    """The field that would fail only when a webhook comes; "" if all are sound."""
    for field in ("name", "title", "sample_event"):
        if not isinstance(getattr(provider, field), str):
            return f"{field} is not a str"
    for field in _FUNCTIONS:
        if not callable(getattr(provider, field)):
            return f"{field} is not a function"
    for field in _NAMES:
        names = getattr(provider, field)
        if not isinstance(names, tuple) or not all(
            isinstance(name, str) and name == name.lower() for name in names
        ):
            return f"{field} is not a tuple of names in lower case"
    return ""


def _packages(offers: Iterable[EntryPoint]) -> str:
    names = (f"{offer.dist.name} {offer.dist.version}" if offer.dist else "without a name" for offer in offers)
    return f"the package {' and '.join(names)}"
