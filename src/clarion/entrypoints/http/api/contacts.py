"""Contacts: create or update by any identity, read, list, change and erase.

Owns how a contact looks to callers, never what its fields may hold: that is `application.contact_rules`. Next:
`groups`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from clarion.application import contact_rules as rules
from clarion.application.contacts import ContactDraft, delete_contact, get_contact, list_contacts, save_contact
from clarion.application.groups import get_group
from clarion.application.identities import IDENTITIES_LIMIT, NAMESPACE_LIMIT, canonical
from clarion.application.ports import Transaction
from clarion.domain.access import Permission
from clarion.domain.contact import Contact, ContactStatus, Identity
from clarion.domain.errors import Invalid, NotFound, Problem
from clarion.domain.ids import Id, parse_id
from clarion.entrypoints.http.api.paging import UNKNOWN, Deleted, HexId, Page, PageQuery, after_id, page
from clarion.entrypoints.http.operation import Answer, Call, Nothing, operation


class ConsentInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """May we write on this channel? true: yes, false: no, null: never asked. What is left out stays as it is."""

    email: bool | UnsetType | None = UNSET
    sms: bool | UnsetType | None = UNSET
    push: bool | UnsetType | None = UNSET


Namespace = Annotated[
    str,
    Meta(
        min_length=1, max_length=NAMESPACE_LIMIT, examples=["crmid"],
        description="What kind of name it is, in any capitals: `crmid`, `telegram`, `email` for a second address.",
    ),
]  # fmt: skip
IdentityValue = Annotated[str, Meta(min_length=1, max_length=320, examples=["C-100234"])]


class IdentityInput(msgspec.Struct, forbid_unknown_fields=True):
    """One further identity: a value that is unique within its namespace and the account."""

    namespace: Namespace
    value: IdentityValue


ExternalId = Annotated[str, Meta(max_length=rules.EXTERNAL_ID_LIMIT, description="Your own id of the contact.")]
Email = Annotated[str, Meta(max_length=320, examples=["ada@lovelace.example"])]
Phone = Annotated[str, Meta(max_length=32, description="In E.164 form.", examples=["+12025550123"])]
PersonName = Annotated[str, Meta(max_length=rules.NAME_LIMIT)]
Language = Annotated[str, Meta(max_length=rules.LANGUAGE_LIMIT, description="A BCP 47 tag.", examples=["en", "pt-BR"])]
Timezone = Annotated[str, Meta(max_length=64, description="An IANA time zone.", examples=["Europe/Berlin"])]
Attributes = Annotated[
    dict[str, Any],
    Meta(
        description=(
            "Merged key by key over the stored ones; a key given as null is removed. At most "
            f"{rules.ATTRIBUTES_LIMIT // 1024} kB as JSON, {rules.ATTRIBUTES_DEPTH} levels, {rules.ATTRIBUTES_KEYS} "
            f"keys of 1 to {rules.ATTRIBUTE_NAME_LIMIT} characters."
        ),
        examples=[{"city": "London", "plan": "free"}],
    ),
]


class ContactInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A contact as given: what is left out stays as it is, null clears a field.

    `externalId`, `email`, `phone` and each of `identities` are identities: at least one is needed, and each belongs to
    one contact. `identities` replace the stored ones. A contact that is not `active` is never written to.
    """

    external_id: ExternalId | UnsetType | None = UNSET
    email: Email | UnsetType | None = UNSET
    phone: Phone | UnsetType | None = UNSET
    first_name: PersonName | UnsetType | None = UNSET
    last_name: PersonName | UnsetType | None = UNSET
    language: Language | UnsetType | None = UNSET
    timezone: Timezone | UnsetType | None = UNSET
    attributes: Attributes | UnsetType | None = UNSET
    consent: ConsentInput | UnsetType = UNSET
    status: ContactStatus | UnsetType = UNSET
    identities: Annotated[list[IdentityInput], Meta(max_length=IDENTITIES_LIMIT)] | UnsetType | None = UNSET

    def draft(self, contact_id: Id | UnsetType = UNSET) -> ContactDraft:
        """The same for the use case."""
        consent = ConsentInput() if self.consent is UNSET else self.consent
        given = self.identities
        identities = [(one.namespace, one.value) for one in given] if isinstance(given, list) else given
        return ContactDraft(
            contact_id=contact_id,
            external_id=self.external_id,
            email=self.email,
            phone=self.phone,
            first_name=self.first_name,
            last_name=self.last_name,
            language=self.language,
            timezone=self.timezone,
            attributes=self.attributes,
            consent_email=consent.email,
            consent_sms=consent.sms,
            consent_push=consent.push,
            status=self.status,
            identities=identities,
        )


class ConsentView(msgspec.Struct, rename="camel"):
    """Consent per channel."""

    email: bool | None
    sms: bool | None
    push: bool | None


class IdentityView(msgspec.Struct):
    """One further identity in its canonical form."""

    namespace: str
    value: str


class ContactView(msgspec.Struct, rename="camel"):
    """A stored contact. `identities` are those beyond `externalId`, `email` and `phone`."""

    id: HexId
    external_id: str | None
    email: str | None
    phone: str | None
    first_name: str | None
    last_name: str | None
    language: str | None
    timezone: str | None
    attributes: dict[str, Any]
    consent: ConsentView
    status: ContactStatus
    identities: list[IdentityView]
    last_seen_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, contact: Contact) -> ContactView:
        """The contact as callers see it."""
        return cls(
            id=contact.id.hex(),
            external_id=contact.external_id,
            email=contact.email,
            phone=contact.phone,
            first_name=contact.first_name,
            last_name=contact.last_name,
            language=contact.language,
            timezone=contact.timezone,
            attributes=contact.attributes,
            consent=ConsentView(contact.consent.email, contact.consent.sms, contact.consent.push),
            status=contact.status,
            identities=[IdentityView(*one) for one in contact.identities],
            last_seen_at=contact.last_seen_at,
            created_at=contact.created_at,
            updated_at=contact.updated_at,
        )


class ContactsQuery(PageQuery, kw_only=True):
    """Which contacts to list; all given conditions are met."""

    group: Annotated[str, Meta(max_length=24, description="Id of a group they are in.")] | None = None
    email: Annotated[Email, Meta(description="In any spelling of the same address.")] | None = None
    external_id: ExternalId | None = None
    namespace: Annotated[Namespace, Meta(description="With `value`: whoever has this identity.")] | None = None
    value: IdentityValue | None = None

    def identity(self) -> Identity | None:
        """The identity asked for. Raises `Invalid` when one of its halves is missing or it cannot be one."""
        if self.namespace is None and self.value is None:
            return None
        if self.namespace is None or self.value is None:
            missing = "namespace" if self.namespace is None else "value"
            raise Invalid(
                Problem(f"query.{missing}", "required", "is required: an identity has a namespace and a value")
            )
        found = canonical(self.namespace, self.value)
        if isinstance(found, Identity):
            return found
        raise Invalid(Problem("query.value", found.rule, found.message))


async def _find(tx: Transaction, call: Call[Any, Any]) -> Contact:
    return await get_contact(tx, account_id=call.account_id, contact_id=call.id("contactId", "contact"))


@operation(
    name="saveContact", method="POST", path="/contacts", tag="contacts", permission=Permission.CONTACTS_WRITE,
    summary="Create or update a contact",
    description=(
        "Finds the contact by `externalId`, else by email, else by phone, else by one of `identities`; makes it when "
        "none is found. Attributes with a contact field take values of its type only."
    ),
    body=ContactInput, data=ContactView, status=201,
    statuses={200: "The contact was there and is updated.", 409: "Another contact holds one of the identities."},
)  # fmt: skip
async def save(tx: Transaction, call: Call[ContactInput, Nothing]) -> Answer:
    """Answers 201 with a new contact, 200 with an updated one."""
    contact, is_new = await save_contact(tx, account_id=call.account_id, draft=call.body.draft())
    return Answer(ContactView.of(contact), 201 if is_new else 200)


@operation(
    name="listContacts", method="GET", path="/contacts", tag="contacts", permission=Permission.CONTACTS_READ,
    summary="List contacts", description="In order of creation.", query=ContactsQuery, data=Page[ContactView],
)  # fmt: skip
async def list_all(tx: Transaction, call: Call[Nothing, ContactsQuery]) -> Page[ContactView]:
    """Reads one page."""
    query = call.query
    group_id = None if query.group is None else await _group_in(tx, call, query.group)
    contacts = await list_contacts(
        tx,
        account_id=call.account_id,
        after=after_id(call),
        limit=query.limit + 1,
        group_id=group_id,
        email=query.email,
        external_id=query.external_id,
        identity=query.identity(),
    )
    return page(call, contacts, ContactView.of, lambda contact: contact.id)


async def _group_in(tx: Transaction, call: Call[Nothing, ContactsQuery], text: str) -> Id:
    group_id = parse_id(text)
    try:
        return (await get_group(tx, account_id=call.account_id, group_id=group_id or UNKNOWN)).id
    except NotFound:
        raise Invalid(Problem("query.group", "exists", "there is no such group")) from None


@operation(
    name="getContact", method="GET", path="/contacts/{contactId}", tag="contacts", permission=Permission.CONTACTS_READ,
    summary="Read a contact", description="Answers one contact.", data=ContactView,
)  # fmt: skip
async def read(tx: Transaction, call: Call[Nothing, Nothing]) -> ContactView:
    """Reads one contact."""
    return ContactView.of(await _find(tx, call))


@operation(
    name="updateContact", method="PATCH", path="/contacts/{contactId}", tag="contacts",
    permission=Permission.CONTACTS_WRITE, summary="Change a contact",
    description="Changes the given fields; its identities may change too.",
    body=ContactInput, data=ContactView, statuses={409: "Another contact holds one of the identities."}, find=_find,
)  # fmt: skip
async def update(tx: Transaction, call: Call[ContactInput, Nothing]) -> ContactView:
    """Changes one contact."""
    draft = call.body.draft(call.id("contactId", "contact"))
    contact, _ = await save_contact(tx, account_id=call.account_id, draft=draft)
    return ContactView.of(contact)


@operation(
    name="deleteContact", method="DELETE", path="/contacts/{contactId}", tag="contacts",
    permission=Permission.CONTACTS_WRITE, summary="Erase a contact",
    description="Erases its personal data and memberships. Its addresses stay suppressed, and reports still count it: "
    "past deliveries keep the address they went to until retention drops them.",
    data=Deleted,
)  # fmt: skip
async def delete(tx: Transaction, call: Call[Nothing, Nothing]) -> Deleted:
    """Erases one contact."""
    contact_id = call.id("contactId", "contact")
    await delete_contact(tx, account_id=call.account_id, contact_id=contact_id)
    return Deleted(contact_id.hex())


ROUTES = [save, list_all, read, update, delete]
