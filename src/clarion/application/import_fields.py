"""Typed contact fields during an import: which column means which field, and its values read from what was written.

Where to read next: `field_values`, which reads a value, and `import_rows`, which reads a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clarion.application.contact_rules import Refusal
from clarion.application.field_values import check_value, read_value
from clarion.domain.contact_field import FieldType, key_of
from clarion.domain.contact_import import Rejection


class TypedFields:
    """The typed fields of one account. Dates without a zone are in its time zone, and written in its date style.

    Its `country` is where telephone numbers without one belong.
    """

    def __init__(
        self,
        types: Mapping[str, FieldType],
        timezone: str = "UTC",
        date_style: str = "day_first",
        country: str | None = None,
    ) -> None:
        self._types = dict(types)
        self._timezone = timezone
        self._date_style = date_style
        self.country = country

    def __bool__(self) -> bool:
        return bool(self._types)

    def name_of(self, column: str) -> str:
        """The attribute a column means: a field by its key or its name in any spelling, else one of its own name."""
        key = key_of(column)
        return key if key in self._types else column

    def read(self, row_no: int, attributes: dict[str, Any]) -> Rejection | None:
        """Puts the values of typed fields as they are stored; the first that is none of its type refuses the row."""
        for name in self._types.keys() & attributes.keys():
            value = self._read(self._types[name], attributes[name])
            if isinstance(value, Refusal):
                return Rejection(row_no, f"attributes.{name}", value.rule, value.message)
            attributes[name] = value
        return None

    def _read(self, type_: FieldType, value: Any) -> Any:  # noqa: ANN401 - a cell or a JSON value
        if isinstance(value, str):
            return read_value(type_, value, self._timezone, self._date_style)
        return check_value(type_, value)


FREE: Final = TypedFields({})
"""An account without typed fields."""
