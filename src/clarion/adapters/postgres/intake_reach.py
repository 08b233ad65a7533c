"""The numbers and devices of a group's recipients, for campaigns that write to more than email addresses.

One statement a group. Where to read next: `intake`; `application.reaching`, which decides what follows.
"""

from __future__ import annotations

from typing import Final

import asyncpg

from clarion.application.ports.intake import FoundDevice, Reached
from clarion.domain.ids import Id

# index: per recipient contact_pkey, suppression_pkey and campaign_suppression_pkey; device_by_contact.
REACH: Final = """
SELECT c.phone, c.consent_sms, CASE WHEN q.address_key IS NULL THEN s.reason ELSE 'unsubscribed' END,
       c.consent_push, CASE WHEN pq.address_key IS NULL THEN p.reason ELSE 'unsubscribed' END, held.devices
FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::text[], $5::text[], $6::bool[]) WITH ORDINALITY
     AS w (account_id, campaign_id, contact_id, sms_key, push_key, is_marketing, place)
LEFT JOIN contact AS c ON c.id = w.contact_id AND c.account_id = w.account_id
LEFT JOIN suppression AS s
    ON s.account_id = w.account_id AND s.channel = 'sms' AND s.address_key = coalesce(w.sms_key, c.phone)
    AND (s.reason <> 'unsubscribed' OR w.is_marketing)
LEFT JOIN campaign_suppression AS q
    ON q.campaign_id = w.campaign_id AND q.channel = 'sms' AND q.address_key = coalesce(w.sms_key, c.phone)
LEFT JOIN suppression AS p
    ON p.account_id = w.account_id AND p.channel = 'push' AND p.address_key = w.push_key
    AND (p.reason <> 'unsubscribed' OR w.is_marketing)
LEFT JOIN campaign_suppression AS pq
    ON pq.campaign_id = w.campaign_id AND pq.channel = 'push' AND pq.address_key = w.push_key
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_array(
               encode(d.id, 'hex'), d.app, d.platform,
               CASE d.platform WHEN 'web'
                    THEN json_build_object('endpoint', d.token, 'p256dh', d.p256dh, 'auth', d.auth)::text
                    ELSE d.token END,
               CASE WHEN dq.address_key IS NULL THEN dp.reason ELSE 'unsubscribed' END) ORDER BY d.id) AS devices
    FROM device AS d
    LEFT JOIN suppression AS dp
        ON dp.account_id = w.account_id AND dp.channel = 'push' AND dp.address_key = d.token
        AND (dp.reason <> 'unsubscribed' OR w.is_marketing)
    LEFT JOIN campaign_suppression AS dq
        ON dq.campaign_id = w.campaign_id AND dq.channel = 'push' AND dq.address_key = d.token
    WHERE d.contact_id = w.contact_id AND d.account_id = w.account_id AND d.retired_at IS NULL
) AS held ON true
ORDER BY w.place
"""


def reached_of(row: asyncpg.Record) -> Reached:
    """What a row of `REACH` says."""
    phone, consent_sms, sms_suppressed_by, consent_push, push_suppressed_by, stored = row
    devices = tuple(FoundDevice(Id(bytes.fromhex(id_)), *facts) for id_, *facts in stored or ())
    return Reached(phone, consent_sms, sms_suppressed_by, consent_push, push_suppressed_by, devices)
