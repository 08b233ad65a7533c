"""Ours in the shapes of this API. Nothing is read or decided here.

Where to read next: `models` for the shapes, `urns` and `contact_mapping` for contacts.
"""

from __future__ import annotations

from clarion.application.campaign_events import OWN_DATES
from clarion.domain.access import Account
from clarion.domain.campaign_event import CampaignEvent
from clarion.domain.contact_field import ContactField, FieldType
from clarion.domain.group import Group
from clarion.domain.ids import as_uuid
from clarion.domain.sequence import GroupName, Sequence
from clarion.entrypoints.http.dialects.textit import models


def reference(group: GroupName) -> models.Ref:
    """A group as others refer to it."""
    return models.Ref(as_uuid(group.id), group.name)


def campaign(sequence: Sequence) -> models.Campaign:
    """A sequence as a campaign of this API."""
    return models.Campaign(
        uuid=as_uuid(sequence.id),
        name=sequence.name,
        archived=False,
        group=reference(sequence.group) if sequence.group else None,
        created_on=sequence.created_at,
    )


def campaign_event(event: CampaignEvent, field_names: dict[str, str]) -> models.CampaignEvent:
    """A step of a sequence; `field_names` are those of the account's fields by key."""
    name = (OWN_DATES | field_names).get(event.relative_to, event.relative_to)
    return models.CampaignEvent(
        uuid=as_uuid(event.id),
        campaign=models.Ref(as_uuid(event.campaign_id), event.campaign_name),
        relative_to=models.FieldRef(event.relative_to, name, name),
        offset=event.offset,
        unit=event.unit.value,
        delivery_hour=event.delivery_hour,
        flow=None,
        message=event.message,
        created_on=event.created_at,
    )


def group(group: Group) -> models.Group:
    """A group; ours are always ready and never the system's."""
    return models.Group(
        uuid=as_uuid(group.id), name=group.name, query=None, status="ready", system=False, count=group.members
    )


def contact_field(field: ContactField, events: int) -> models.Field:
    """A contact field, with how many events follow it."""
    return models.Field(
        key=field.key,
        name=field.name,
        type=field.type.value,
        featured=field.featured,
        priority=field.priority,
        usages=models.Usages(flows=0, groups=0, campaign_events=events),
        agent_access="view",
        label=field.name,
        value_type="numeric" if field.type is FieldType.NUMBER else field.type.value,
    )


def workspace(account: Account) -> models.Workspace:
    """The account as a workspace."""
    return models.Workspace(
        uuid=as_uuid(account.id),
        name=account.name,
        country=account.country,
        languages=list(account.languages),
        primary_language=account.languages[0],
        timezone=account.timezone,
        date_style=account.date_style,
        anon=False,
        credits=models.Credits(used=-1, remaining=-1),
    )
