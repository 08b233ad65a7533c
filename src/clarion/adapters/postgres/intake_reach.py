"""The numbers and devices of a group's recipients, for campaigns that write to more than email addresses.

One statement a group. Where to read next: `intake`; `application.reaching`, which decides what follows.
"""

from __future__ import annotations

from typing import Final

import asyncpg

from clarion.application.ports.intake import FoundDevice, Reached
from clarion.domain.ids import Id

# index: suppression_pkey, campaign_suppression_pkey. Why an address may not be written to; null when it may.
_LISTED: Final = """
CASE WHEN EXISTS (
    SELECT FROM campaign_suppression
    WHERE campaign_id = w.campaign_id AND channel = '{channel}' AND address_key = {key}) THEN 'unsubscribed'
ELSE (
    SELECT reason FROM suppression
    WHERE account_id = w.account_id AND channel = '{channel}' AND address_key = {key}
      AND (reason <> 'unsubscribed' OR w.is_marketing)) END"""

# index: per recipient contact_pkey, suppression_pkey and campaign_suppression_pkey; device_by_contact.
REACH: Final = f"""
SELECT c.phone, c.consent_sms, {_LISTED.format(channel="sms", key="coalesce(w.sms_key, c.phone)")},
       c.consent_push, {_LISTED.format(channel="push", key="w.push_key")}, held.devices
FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::text[], $5::text[], $6::bool[]) WITH ORDINALITY
     AS w (account_id, campaign_id, contact_id, sms_key, push_key, is_marketing, place)
LEFT JOIN contact AS c ON c.id = w.contact_id AND c.account_id = w.account_id
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_array(
               encode(d.id, 'hex'), d.app, d.platform,
               CASE d.platform WHEN 'web'
                    THEN json_build_object('endpoint', d.token, 'p256dh', d.p256dh, 'auth', d.auth)::text
                    ELSE d.token END,
               {_LISTED.format(channel="push", key="d.token")}) ORDER BY d.id) AS devices
    FROM device AS d WHERE d.contact_id = c.id AND d.retired_at IS NULL
) AS held ON true
ORDER BY w.place
"""


def reached_of(row: asyncpg.Record) -> Reached:
    """What a row of `REACH` says."""
    phone, consent_sms, sms_suppressed_by, consent_push, push_suppressed_by, stored = row
    devices = tuple(FoundDevice(Id(bytes.fromhex(id_)), *facts) for id_, *facts in stored or ())
    return Reached(phone, consent_sms, sms_suppressed_by, consent_push, push_suppressed_by, devices)
