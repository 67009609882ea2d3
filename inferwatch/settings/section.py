"""The base of every section of the config, and how a section speaks about its keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, model_validator


class Remark(NamedTuple):
    """Something to say about one key.

    Attributes:
        where: the key's path from the section that speaks: `("receivers", 0, "name")`.
        text: what is wrong (or surprising), and what is allowed.
    """

    where: tuple[str | int, ...]
    text: str


class SectionError(ValueError):
    """Mistakes at keys below a section, raised by its own `model_validator`.

    A plain ValueError is a mistake of the section as a whole; this one names the keys.

    >>> str(SectionError(Remark(("classes", 1), "'b' stands here twice")))
    "classes.1: 'b' stands here twice"
    """

    def __init__(self, *remarks: Remark) -> None:
        """Keep the remarks; each becomes a line of its own."""
        super().__init__("; ".join(f"{'.'.join(map(str, r.where))}: {r.text}" for r in remarks))
        self.remarks = remarks


class Section(BaseModel):
    """One mapping of the config: frozen, and an unknown key in it is a mistake.

    A key without a value (`rules:`) is as good as absent. A field's docstring (the text below it)
    is its description in the JSON Schema and in the example.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

    def surprises(self) -> Iterator[Remark]:
        """What is legal here but surprising; the loader makes each a warning."""
        yield from ()

    def faults(self) -> Iterator[Remark]:
        """What is wrong outside of the text: with files that it names. Each is a mistake."""
        yield from ()

    @classmethod
    def known_keys(cls) -> dict[str, str]:
        """The config's keys of this section, with the name of the field each one fills."""
        return {field.alias or name: name for name, field in cls.model_fields.items()}

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_keys(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        known = cls.known_keys()
        return {k: v for k, v in value.items() if v is not None or k not in known}
