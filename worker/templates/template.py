"""The rules' templates and expressions, compiled by Jinja2 for the sandbox. A missing name is an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, TemplateError, TemplateSyntaxError, UndefinedError, nodes
from jinja2 import Template as CompiledTemplate
from jinja2.parser import Parser
from jinja2.runtime import Context

from worker.templates import plain_values
from worker.templates.budget import MAX_CHARS, printed
from worker.templates.formats import Formats
from worker.templates.payload_keys import keys_read_by, names_in
from worker.templates.sandbox import Sandbox
from worker.templates.undefined import MissingName, hint


class RenderError(Exception):
    """A template fails on this payload. The text may quote the payload; `place` never does."""

    def __init__(self, text: str, place: str = "") -> None:
        """place: the part of the rule and the line in it; "" where no template is the cause."""
        super().__init__(text)
        self.place = place


class Template:
    """A template of a rule."""

    def __init__(self, what: str, source: str, formats: Formats, *, is_html: bool = False) -> None:
        """what: its name in errors. Raises where it does not compile; `fault` returns that error as text."""
        self._what = what
        environment = _environment(formats, is_html)
        parsed = environment.parse(source)
        self.keys = keys_read_by(parsed)
        """The keys of a payload that it may read."""

        self._template = environment.from_string(source)
        self._functions = _functions(environment, parsed)
        self._render_plain = None if is_html else plain_values.renderer(parsed)

    def text(self, seen: dict[str, Any]) -> str:
        """Render the template. Raises RenderError, which names a missing key."""
        if self._render_plain is not None:
            try:
                text: str = self._render_plain(seen)
                if len(text) <= MAX_CHARS:
                    return text
            except Exception:  # noqa: BLE001, S110 - Jinja2 renders it, and reports the error
                pass
        template = self._template
        # As Jinja2's `render` does, which also copies its arguments and rewrites a traceback that is not shown.
        try:
            context = _context(template, self._functions, seen)
            return template.environment.concat(template.root_render_func(context))
        except Exception as error:  # noqa: BLE001 - see `_error`
            raise _error(self._what, error, seen) from None

    def line(self, seen: dict[str, Any]) -> str:
        """Render a template that must give one line, without surrounding space. Raises RenderError."""
        line = self.text(seen).strip()
        if len(line.splitlines()) > 1:
            raise RenderError(f"{self._what}: it must be one line", _part(self._what))
        return line


class Expression:
    """An expression of a rule, written without braces."""

    def __init__(self, what: str, source: str, formats: Formats) -> None:
        """what: its name in errors. Raises where it does not compile; `fault` returns that error as text."""
        self._what = what
        environment = _environment(formats, is_html=False)
        expression = environment.compile_expression(source, undefined_to_none=False)
        self._template = expression._template  # noqa: SLF001 - see `_value`
        parsed = Parser(environment, source, state="variable").parse_expression()
        writing = nodes.Template([nodes.Output([parsed])])
        self.keys = keys_read_by(writing)
        """The keys of a payload that it may read."""

        self._functions = _functions(environment, writing)
        self._evaluate_plain = plain_values.evaluator(parsed)

    def is_true(self, seen: dict[str, Any]) -> bool:
        """Evaluate the expression as a condition. Raises RenderError, which names a missing key."""
        try:
            return bool(self._value(seen))
        except Exception as error:  # noqa: BLE001 - see `_error`
            raise _error(self._what, error, seen) from None

    def text(self, seen: dict[str, Any]) -> str:
        """Evaluate the expression as a text. Raises RenderError, also where the text is empty."""
        try:
            value = self._value(seen)
            text = "" if value is None else str(printed(value))
        except Exception as error:  # noqa: BLE001 - see `_error`
            raise _error(self._what, error, seen) from None
        if not text.strip():
            raise RenderError(f"{self._what}: its value is empty", _part(self._what))
        return text

    def _value(self, seen: dict[str, Any]) -> Any:
        if self._evaluate_plain is not None:
            try:
                return self._evaluate_plain(seen)
            except Exception:  # noqa: BLE001, S110 - Jinja2 evaluates it, and reports the error
                pass
        # As Jinja2 does, whose own call spends most of its time on copies of the names.
        context = _context(self._template, self._functions, seen)
        for _ in self._template.root_render_func(context):
            pass
        return context.vars["result"]


def _functions(environment: Environment, parsed: nodes.Template) -> dict[str, Any]:
    """The functions of Jinja2 that a template may use. A payload's key of the same name takes precedence."""
    names = names_in(parsed)
    return {name: function for name, function in environment.globals.items() if name in names}


def _context(template: CompiledTemplate, functions: dict[str, Any], seen: dict[str, Any]) -> Context:
    environment = template.environment
    names = functions | seen if functions else seen  # Jinja2 does not change them
    return environment.context_class(environment, names, template.name, template.blocks)


def seen_by_templates(payload: Mapping[str, Any], *, event: str, source: str) -> dict[str, Any]:
    """The names that templates see: the payload's keys, and `data`, `event` and `source` unless it has them."""
    return {"data": payload, "event": event, "source": source, **payload}


def fault(compiled: Callable[[], object]) -> str:
    """Why a template or expression does not compile, with the line in it; "" where it does."""
    try:
        compiled()
    except TemplateSyntaxError as error:
        return f"{error.message} (line {error.lineno})"
    except Exception as error:  # noqa: BLE001 - it is compiled to Python, whose limits fail in many ways
        return f"it cannot be compiled: {type(error).__name__}"
    return ""


@cache  # one for each locale and time zone that the rules name
def _environment(formats: Formats, is_html: bool) -> Environment:
    environment = Sandbox(undefined=MissingName, autoescape=is_html)
    environment.filters.update(formats.filters())
    return environment


def _error(what: str, error: Exception, seen: Mapping[str, Any]) -> RenderError:
    """The RenderError for any error: a template may also compute 1 + "a" or 1 / 0."""
    kind = "" if isinstance(error, TemplateError) else f"{type(error).__name__}: "
    place = f"{_part(what)} line {_line(error)}"
    return RenderError(f"{what}: {kind}{error}{_top_level_hint(error, seen)}", place)


def _top_level_hint(error: Exception, seen: Mapping[str, Any]) -> str:
    named = re.fullmatch("'(.*)' is undefined", str(error)) if isinstance(error, UndefinedError) else None
    return hint(named[1], seen) if named else ""


def _part(what: str) -> str:
    """The part of the rule: `text` of "text of rule 'points'"."""
    return what.partition(" of ")[0]


def _line(error: Exception) -> int:
    """The line of a template at which it failed."""
    line, trace = 1, error.__traceback__
    while trace:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if template:
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line
