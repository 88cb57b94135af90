"""Finds the function that a `python` channel calls, or raises an error that explains why it cannot.

Python imports the first module of a name that it finds: the standard library's, Hookline's own or an installed
library's before one in the directory that the worker is started in. A user's module there with such a name is
never imported, and without a check nothing would say so.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from runtime.own_packages import OWN_PACKAGES
from worker.channels.errors import ChannelError
from worker.user_function import UserFunction


def function_at(target: str) -> UserFunction:
    """The function that `module:function` names. Raises ChannelError."""
    module_name, _, path = target.partition(":")
    # Even where the user has no such module (yet): what would be imported is never theirs.
    if _top(module_name) in OWN_PACKAGES:
        raise ChannelError("target", _taken_by_hookline(_top(module_name)))
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    value: Any = _imported(module_name)
    for name in path.split("."):
        value = getattr(value, name, None)
    if value is None:
        raise ChannelError("target", _shadow(module_name) or f"there is no {path!r} in {module_name}")
    if not inspect.iscoroutinefunction(value):
        reason = f"{target} is not an async function: write `async def`"
        raise ChannelError("target", _shadow(module_name) or reason)
    function: UserFunction = value
    return function


def one_line(error: BaseException) -> str:
    """The text of an exception, on one line."""
    try:
        return " ".join(str(error).split()) or type(error).__name__
    except Exception:  # noqa: BLE001 - an exception whose str raises
        return type(error).__name__


def _imported(module_name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        shadow = _shadow(missing)
        reason = shadow or f"there is no module {missing!r}"
        is_target = missing == module_name or (shadow and _top(missing) == _top(module_name))
        raise ChannelError("target", reason if is_target else f"importing {module_name}: {reason}") from None
    except BaseException as error:  # noqa: BLE001 - a module's own code may raise anything, SystemExit too
        reason = _shadow(_blamed(error)) or f"{one_line(error)} ({type(error).__name__})"
        raise ChannelError("target", f"importing {module_name}: {reason}") from None


def _blamed(error: BaseException) -> str:
    """The module without the imported name; "" for any other error."""
    if isinstance(error, ImportError):
        return error.name or ""
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        return error.obj.__name__
    return ""


def _shadow(module_name: str) -> str:
    """Why Python imports another module instead of the user's; "" where it does not, or the user has none."""
    top = _top(module_name)
    own = _beside(module_name)
    taken = sys.modules.get(top)
    if own is None or taken is None or _is_from(taken, own):
        return ""
    if top in OWN_PACKAGES:
        return _taken_by_hookline(top)
    if top in sys.stdlib_module_names:
        what = "a module of Python's standard library"
    else:
        what = f"an installed library ({getattr(taken, '__file__', None) or 'built in'})"
    return f"{top!r} is the name of {what}, which Python imports instead of {own}: {_rename(top)}"


def _beside(module_name: str) -> Path | None:
    """The module file or package directory of the user's in the working directory."""
    here = Path.cwd()
    spec = PathFinder.find_spec(_top(module_name), [str(here)])
    if spec is None:
        return None
    if spec.origin is not None:
        origin = Path(spec.origin)
        return origin.parent if origin.name == "__init__.py" else origin
    # A directory without __init__.py is a package only if it holds the module: it may as well hold anything else.
    inner = here.joinpath(*module_name.split("."))
    holds = inner.with_suffix(".py").is_file() or any(inner.glob("*.py"))
    return here / _top(module_name) if holds else None


def _is_from(module: ModuleType, own: Path) -> bool:
    origin = getattr(module, "__file__", None)
    places = [origin] if origin else list(getattr(module, "__path__", ()))
    # Resolved, for a mounted config directory is often one of links.
    return any(Path(place).resolve().is_relative_to(own.resolve()) for place in places)


def _taken_by_hookline(name: str) -> str:
    what = "one of Hookline's own packages, which Python imports instead of yours"
    return f"{name!r} is the name of {what}: {_rename(name)}"


def _rename(name: str) -> str:
    return f"rename your module, for example to my_{name}, and change what refers to it"


def _top(module_name: str) -> str:
    return module_name.partition(".")[0]
