"""The sandbox of templates: no access to Python, and no more work or text than a message needs.

Templates are rendered between two messages, with values that come with anybody's traffic. The
bounds hold off a template that such a value makes costly; they do not hold off an author of ill
will, who may write the rest of the config too.

Apart from `templates.py`, since Jinja2 is not there beside a model server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from jinja2 import ChainableUndefined, Template, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import htmlsafe_json_dumps

TEXT_CHARACTERS = 262_144
# Turns of loops and calls: a digest of some thousand alerts with the labels of each.
STEPS = 200_000
# What makes a text, or a list, as long as a number says.
_GROWING_FILTERS = ("batch", "center", "format", "indent", "slice", "tojson", "wordwrap")
_GROWING_METHODS = frozenset(
    {"center", "expandtabs", "format", "format_map", "ljust", "rjust", "zfill"}
)
_COUNTED = "counted"
_steps: ContextVar[int] = ContextVar("steps")


class TooLongError(SecurityError):
    """The text of a template is longer than any message."""


class TooMuchWorkError(SecurityError):
    """A template goes round more often than any message needs."""


class Sandbox(ImmutableSandboxedEnvironment):
    """Compiles templates that are safe to render with `text_of`."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, show: Callable[[Any], str]) -> None:
        """Use `show` for every value that a template shows."""
        super().__init__(
            # An alert without the label shows nothing there, as in Alertmanager.
            undefined=ChainableUndefined,
            finalize=show,
            keep_trailing_newline=True,
        )
        for name in _GROWING_FILTERS:
            del self.filters[name]
        self.filters["tojson"] = _to_json
        self.filters[_COUNTED] = _counted
        del self.globals["lipsum"]

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """`*` and `%` of numbers; the rest makes out of a number a text or a power of any size."""
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**" or not numbers:
            raise SecurityError(f"`{operator}` is refused here; allowed are * and % of two numbers")
        return super().call_binop(context, operator, left, right)

    def wrap_str_format(self, value: Any) -> None:
        """No way round `is_safe_attribute` for `str.format`."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Also no method that makes a text as long as a number says."""
        grows = isinstance(obj, str) and attr in _GROWING_METHODS
        return not grows and super().is_safe_attribute(obj, attr, value)

    # Its parameters have no names in templates, so that theirs are free.
    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call, and count it: a macro may call itself."""
        _count()
        return super().call(__context, __obj, *args, **kwargs)

    def _generate(
        self,
        source: nodes.Template,
        name: str | None,
        filename: str | None,
        defer_init: bool = False,
    ) -> str:
        # Jinja2's hook between reading and compiling: each loop counts its turns.
        for loop in list(source.find_all(nodes.For)):
            loop.iter = nodes.Filter(loop.iter, _COUNTED, [], [], None, None, lineno=loop.lineno)
        source.set_environment(self)
        return super()._generate(source, name, filename, defer_init)


def text_of(template: Template, context: Mapping[str, Any]) -> str:
    """The text of a template of a `Sandbox`.

    Raises:
        TooLongError: it has more than 262,144 characters.
        TooMuchWorkError: loops and calls are more than 200,000.
    """
    mark = _steps.set(0)
    try:
        parts, length = [], 0
        for part in template.generate(context):
            length += len(part)
            if length > TEXT_CHARACTERS:
                raise TooLongError(f"the text is longer than {TEXT_CHARACTERS} characters")
            parts.append(part)
        return "".join(parts)
    finally:
        _steps.reset(mark)


def _count() -> None:
    steps = _steps.get() + 1
    if steps > STEPS:
        raise TooMuchWorkError(f"its loops and calls are more than {STEPS}")
    _steps.set(steps)


@pass_context
def _counted(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        _count()
        yield item


def _to_json(value: Any) -> str:
    # Jinja2's own takes an indent.
    return htmlsafe_json_dumps(value)
