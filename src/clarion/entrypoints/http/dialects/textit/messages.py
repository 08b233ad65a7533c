"""`/api/v2/messages.json`: what was sent to whom and what became of it; and one text to one contact, sent as it is.

Knows outgoing messages; incoming ones are `inbox`. Where to read next: `application.broadcasts`, `sending_mapping`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clarion.application import broadcasts
from clarion.application.account_settings import get_account
from clarion.application.broadcasts import BroadcastDraft
from clarion.application.ports import Transaction
from clarion.application.ports.broadcasts import MessagesAsked, Sent
from clarion.application.senders import first_senders
from clarion.domain.access import Account, Permission
from clarion.domain.channel import ChannelName
from clarion.domain.contact import Contact
from clarion.domain.delivery import DeliveryState
from clarion.domain.ids import ID_BYTES, Id, parse_uuid
from clarion.entrypoints.http.dialect import Answers, Parameter
from clarion.entrypoints.http.dialects.textit import models, sending_mapping
from clarion.entrypoints.http.dialects.textit.broadcasts import SAID_IN
from clarion.entrypoints.http.dialects.textit.calls import CURSOR, UUID, Call, Made, endpoint
from clarion.entrypoints.http.dialects.textit.contact_finding import contacts_with, holder_of
from clarion.entrypoints.http.dialects.textit.inbox import inbox
from clarion.entrypoints.http.dialects.textit.inputs import Inputs
from clarion.entrypoints.http.dialects.textit.pages import Page, no_rows, page_of
from clarion.entrypoints.http.dialects.textit.queries import NOBODY, Query, Window, is_uuid, read_number
from clarion.entrypoints.http.dialects.textit.refusals import no_such, of_body
from clarion.entrypoints.http.dialects.textit.sending_mapping import FOLDERS, message_in, message_numbered
from clarion.entrypoints.http.dialects.textit.texts import TEXT_LIMIT
from clarion.entrypoints.http.dialects.textit.urns import read_urn
from clarion.entrypoints.http.dialects.textit.wording import read_attachments, read_quick_replies
from clarion.rendering.translation.writing import literal

SCOPE: Final = "v2.messages"
_MOMENT: Final = {"type": "string", "format": "date-time"}
_SEQ_BYTES: Final = 4
_SAID_IN: Final = "textit_message"
"""Apart from broadcasts, which are listed as such."""


@endpoint(
    noun="messages",
    method="GET",
    summary="List messages, newest first",
    needs=(Permission.MESSAGES_READ,),
    scope=SCOPE,
    parameters=(
        UUID,
        CURSOR,
        Parameter(name="id", about="The number of one message"),
        Parameter(name="folder", about="`inbox`, `outbox`, `sent` or `failed`; others are empty"),
        Parameter(name="contact", about="The UUID of a contact"),
        Parameter(name="broadcast", about="The number of a broadcast"),
        Parameter(name="after", about="Created at or after this moment", schema=_MOMENT),
        Parameter(name="before", about="Created at or before this moment", schema=_MOMENT),
    ),
    answers={200: Answers("A page of messages", Page[models.Message])},
)
async def listed(tx: Transaction, call: Call) -> Page[models.Message]:
    """Lists what runs sent, tests aside; the time of a message is that of its run. The inbox has what people wrote."""
    call.query.exclusive("contact", "folder", "label", "broadcast")
    if call.query.text("folder") == "inbox":
        return await inbox(tx, call)
    window, place, states = call.query.window(), _place(call.query), _states(call.query)
    if window.is_void or states == frozenset() or call.query.text("label"):
        return no_rows()
    asked = _asked(call.query, window, place, states)

    async def read(position: bytes | None, limit: int) -> list[Sent]:
        return await broadcasts.list_messages(
            tx,
            account_id=call.account_id,
            before=None if position is None else _place_in(position),
            limit=limit,
            asked=asked,
        )

    async def view(rows: Sequence[Sent]) -> list[models.Message]:
        ids = list({row.contact_id for row in rows if row.contact_id})
        contacts = {one.id: one for one in await contacts_with(tx, call, ids)} if ids else {}
        return [sending_mapping.message(row, contacts) for row in rows]

    return await page_of(call, "messages", read, _position, view)


@endpoint(
    noun="messages",
    method="POST",
    summary="Send a text to one contact as it is",
    needs=(Permission.CAMPAIGNS_WRITE, Permission.CAMPAIGNS_EXECUTE),
    scope=SCOPE,
    body=models.MessageInput,
    answers={201: Answers("Made and started", models.Message)},
)
async def sent(tx: Transaction, call: Call) -> object:
    """Sends one message, whose text is not evaluated; what becomes of it is read from the list."""
    account = await get_account(tx, account_id=call.account_id)
    inputs = Inputs(call.body)
    contact = await _contact(tx, call, inputs, account)
    text = inputs.text("text", limit=TEXT_LIMIT, required=False)
    read_attachments(inputs)
    language = account.languages[0]
    replies = read_quick_replies(inputs, language)
    inputs.close()
    if text is None or contact is None:
        raise of_body("Must provide either text or attachments.")
    senders = await first_senders(tx, account_id=call.account_id)
    channel = ChannelName.SMS if contact.phone and ChannelName.SMS in senders else ChannelName.EMAIL
    address = contact.phone if channel is ChannelName.SMS else contact.email_key
    made = await broadcasts.send_broadcast(
        tx,
        account_id=call.account_id,
        draft=BroadcastDraft(
            texts={language: literal(text)},
            fallback=language,
            group_ids=(),
            contact_ids=(contact.id,),
            said_in=_SAID_IN,
            said={"text": {language: text}, "quick_replies": replies, "base_language": language},
            channels=(channel,),
        ),
        links=call.edge.links,
    )
    if made.run_number is None:
        return Made(sending_mapping.unsent(made, contact))
    row = Sent(
        run_id=made.id,
        seq=1,
        run_number=made.run_number,
        campaign_number=made.number,
        contact_id=contact.id,
        channel=channel,
        address=address,
        state=DeliveryState.PENDING if address else DeliveryState.SKIPPED,
        text=text,
        said=made.said,
        created_at=made.created_at,
        changed_at=made.created_at,
    )
    return Made(sending_mapping.message(row, {contact.id: contact}))


async def _contact(tx: Transaction, call: Call, inputs: Inputs, account: Account) -> Contact | None:
    text = inputs.reference("contact")
    if text is None:
        return None
    identity = None if is_uuid(text) else read_urn(text, account.country)
    holder = await holder_of(tx, call, identity) if identity else None
    found = [holder] if holder else await contacts_with(tx, call, [parse_uuid(text) or NOBODY])
    if not found:
        inputs.refuse("contact", no_such(text))
        return None
    return found[0]


def _place(query: Query) -> tuple[int, int] | None:
    number, id_ = read_number(query, "id"), query.uuid()
    if number is not None:
        return message_numbered(number) if number > 0 else (0, 0)
    return None if id_ is None else message_in(id_)


def _states(query: Query) -> frozenset[DeliveryState] | None:
    folder = query.text("folder")
    return None if folder is None else FOLDERS.get(folder, frozenset())


def _asked(
    query: Query, window: Window, place: tuple[int, int] | None, states: frozenset[DeliveryState] | None
) -> MessagesAsked:
    return MessagesAsked(
        said_in=(SAID_IN, _SAID_IN),
        run_number=place and place[0],
        seq=place and place[1],
        contact_id=query.uuid("contact"),
        campaign_number=read_number(query, "broadcast"),
        states=states,
        created_from=window.after,
        created_until=window.before,
    )


def _position(row: Sent) -> bytes:
    return row.run_id + row.seq.to_bytes(_SEQ_BYTES, "big")


def _place_in(position: bytes) -> tuple[Id, int]:
    return Id(position[:ID_BYTES]), int.from_bytes(position[ID_BYTES:], "big")
