"""From a record of a file to the columns of a contact, or the reason why the row is refused.

Names of columns are matched to fields without regard to case, spaces, hyphens and underscores; every other column is an
attribute. An empty cell leaves what is stored as it is; in JSON lines null clears. Field rules are in `contact_rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Final, TypeVar

import msgspec

from clarion.application import contact_rules as rules
from clarion.application.contact_rules import Refusal
from clarion.application.import_fields import FREE, TypedFields
from clarion.application.import_files import CELL_LIMIT, BrokenFile, NumberedRecord
from clarion.application.ports.contacts import Columns, Given
from clarion.domain.contact_import import Rejection
from clarion.domain.ids import Id, new_ids
from clarion.rendering.addresses import AddressFault, parse_email

V = TypeVar("V")

_ALIASES: Final = {
    "externalid": "external_id",
    "email": "email",
    "emailaddress": "email",
    "mail": "email",
    "phone": "phone",
    "phonenumber": "phone",
    "mobile": "phone",
    "firstname": "first_name",
    "givenname": "first_name",
    "lastname": "last_name",
    "familyname": "last_name",
    "surname": "last_name",
    "language": "language",
    "locale": "language",
    "timezone": "timezone",
    "consentemail": "consent_email",
    "emailconsent": "consent_email",
    "consentsms": "consent_sms",
    "smsconsent": "consent_sms",
    "consentpush": "consent_push",
    "pushconsent": "consent_push",
}
FIELD_NAMES: Final = {
    "external_id": "externalId",
    "email": "email",
    "phone": "phone",
    "first_name": "firstName",
    "last_name": "lastName",
    "language": "language",
    "timezone": "timezone",
    "consent_email": "consent.email",
    "consent_sms": "consent.sms",
    "consent_push": "consent.push",
}
_IGNORED_IN_NAMES: Final = str.maketrans("", "", " -_.")
_YES: Final = frozenset({"true", "yes", "y", "1", "t", "on"})
_NO: Final = frozenset({"false", "no", "n", "0", "f", "off"})

_encode = msgspec.json.Encoder().encode
Setter = Callable[[Columns, Any], Refusal | None]
Row = tuple[int, Columns]


def field_of(name: str) -> str | None:
    """The contact's column that a name in a file means; None for an attribute."""
    return _ALIASES.get(name.translate(_IGNORED_IN_NAMES).lower())


def _read_consent(value: Any) -> bool | Refusal:  # noqa: ANN401 - a cell or a JSON value
    if isinstance(value, bool):
        return value
    text = str(value).strip(" ").lower()
    if text in _YES or text in _NO:
        return text in _YES
    return Refusal("consent", "must be true or false")


def _set_email(columns: Columns, value: str) -> Refusal | None:
    address = parse_email(value)
    if isinstance(address, AddressFault):
        return Refusal(address.rule, address.message)
    columns.email, columns.email_key = address.mailbox, address.key
    columns.given |= Given.EMAIL
    return None


def _setter(column: str, read: Callable[[Any], V | Refusal]) -> Setter:
    bit = Given.of(column)

    def set_(columns: Columns, value: Any) -> Refusal | None:  # noqa: ANN401 - a cell or a JSON value
        result = read(value)
        if type(result) is Refusal:
            return result
        setattr(columns, column, result)
        columns.given |= bit
        return None

    return set_


_SETTERS: Final[dict[str, Setter]] = {
    "external_id": _setter("external_id", rules.read_external_id),
    "email": _set_email,
    "first_name": _setter("first_name", rules.read_name),
    "last_name": _setter("last_name", rules.read_name),
    "language": _setter("language", rules.read_language),
    "timezone": _setter("timezone", rules.read_timezone),
    "consent_email": _setter("consent_email", _read_consent),
    "consent_sms": _setter("consent_sms", _read_consent),
    "consent_push": _setter("consent_push", _read_consent),
}


@lru_cache(maxsize=64)
def _setters(country: str | None) -> Mapping[str, Setter]:
    """The same for an account of this country, where telephone numbers may be written without theirs."""
    return {**_SETTERS, "phone": _setter("phone", partial(rules.read_phone, country=country))}


class RowReader:
    """Reads the records of one CSV file by its header.

    Raises `BrokenFile` when two columns mean the same, or none of them is an identity.
    """

    def __init__(self, header: list[str], typed: TypedFields = FREE) -> None:
        self._fields: list[tuple[int, str, Setter]] = []
        self._attributes: list[tuple[int, str]] = []
        self._typed = typed
        setters = _setters(typed.country)
        names: dict[str, str] = {}
        for place, name in enumerate(header):
            column = field_of(name)
            attribute = typed.name_of(name)
            if (column or f"attribute {attribute}") in names:
                earlier = names[column or f"attribute {attribute}"]
                raise BrokenFile(f"The columns {earlier!r} and {name!r} mean the same")
            names[column or f"attribute {attribute}"] = name
            if column:
                self._fields.append((place, FIELD_NAMES[column], setters[column]))
            else:
                self._add_attribute(place, attribute)
        if not {"external_id", "email", "phone"} & names.keys():
            raise BrokenFile("The header row names no email, phone or external id column")

    def _add_attribute(self, place: int, name: str) -> None:
        refusal = rules.check_attribute_name(name)
        if refusal:
            raise BrokenFile(f"Column {place + 1} cannot be an attribute: it {refusal.message}")
        self._attributes.append((place, name))

    def read(self, row_no: int, cells: list[str], id_: Id) -> Columns | Rejection:
        """Reads one row, to be stored as `id_` when it is new; the first broken rule refuses it."""
        columns = Columns(id_)
        for place, field, set_ in self._fields:
            cell = cells[place]
            if cell and (refusal := set_(columns, cell)) and not cell.isspace():
                return Rejection(row_no, field, refusal.rule, refusal.message)
        attributes: dict[str, Any] = {name: cell for place, name in self._attributes if (cell := cells[place])}
        if attributes:
            together = "".join(attributes.values())
            if not together.isprintable() or len(together) > CELL_LIMIT:
                for name, cell in attributes.items():
                    refusal = check_cell(cell)
                    if refusal:
                        return Rejection(row_no, name, refusal.rule, refusal.message)
            if self._typed and (rejection := self._typed.read(row_no, attributes)):
                return rejection
            encoded = _encode(attributes)
            if len(encoded) > rules.ATTRIBUTES_LIMIT:
                return Rejection(row_no, "attributes", "maxBytes", "must be at most 64 kB together, as JSON")
            columns.attributes = msgspec.Raw(encoded)
        return columns if columns.given & Given.IDENTITY else _nobody(row_no)


def check_cell(cell: str) -> Refusal | None:
    """Refuses a cell that is too long or holds what cannot be stored."""
    if len(cell) > CELL_LIMIT:
        return Refusal("maxBytes", "must have at most 64 kB in one cell")
    return None if cell.isprintable() else rules.check_text(cell)


def read_object(row_no: int, record: dict[str, Any], id_: Id, typed: TypedFields = FREE) -> Columns | Rejection:
    """Reads one JSON line, to be stored as `id_` when it is new; further attributes may stand in `attributes`."""
    columns = Columns(id_)
    attributes: dict[str, Any] = {}
    setters = _setters(typed.country)
    for name, value in _flattened(record):
        refusal = _set_member(columns, attributes, name, value, setters)
        if refusal:
            column = field_of(name)
            return Rejection(row_no, FIELD_NAMES[column] if column else name[:100], refusal.rule, refusal.message)
    refused = rules.read_attributes(attributes)
    if isinstance(refused, Refusal):
        return Rejection(row_no, "attributes", refused.rule, refused.message)
    if typed and (rejection := typed.read(row_no, attributes)):
        return rejection
    columns.dropped = tuple(name for name, value in attributes.items() if value is None)
    columns.attributes = msgspec.Raw(_encode({name: value for name, value in attributes.items() if value is not None}))
    identity = columns.external_id or columns.email or columns.phone
    return columns if identity else _nobody(row_no)


def _flattened(record: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, value in record.items():
        if name == "consent" and isinstance(value, dict):
            yield from ((f"consent {channel}", given) for channel, given in value.items())
        else:
            yield name, value


def _set_member(
    columns: Columns,
    attributes: dict[str, Any],
    name: str,
    value: Any,  # noqa: ANN401 - a JSON value
    setters: Mapping[str, Setter],
) -> Refusal | None:
    column = field_of(name)
    if column is None:
        return _set_attribute(columns, attributes, name, value)
    if value is None:
        columns.given |= Given.of(column)
        return None
    if not isinstance(value, str) and not column.startswith("consent"):
        return Refusal("type", "must be a string or null")
    return setters[column](columns, value)


def _set_attribute(columns: Columns, attributes: dict[str, Any], name: str, value: Any) -> Refusal | None:  # noqa: ANN401
    if name != "attributes":
        attributes[name] = value
    elif isinstance(value, dict):
        attributes.update(value)
    elif value is None:
        columns.given |= Given.CLEAR_ATTRIBUTES
    else:
        return Refusal("type", "must be a JSON object or null")
    return None


def _nobody(row_no: int) -> Rejection:
    return Rejection(row_no, "email", "identity", "needs an email, a phone or an external id")


def read_records(
    records: Sequence[NumberedRecord], read: Callable[[int, Any, Id], Columns | Rejection]
) -> tuple[list[Row], list[Rejection]]:
    """Reads many records with `RowReader.read` or `read_object`; returns the good rows and the refused ones."""
    rows: list[Row] = []
    rejections: list[Rejection] = []
    for (row_no, record), id_ in zip(records, new_ids(len(records)), strict=True):
        result = Rejection(row_no, "row", "shape", record) if isinstance(record, str) else read(row_no, record, id_)
        if isinstance(result, Rejection):
            rejections.append(result)
        else:
            rows.append((row_no, result))
    return rows, rejections
