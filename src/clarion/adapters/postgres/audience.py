"""Who a campaign reaches, in SQL: the fragments that counting, freezing and checking an audience share.

Parameters are named by position in the statements that use them. A member is whoever the groups held and the list
named; whoever may not be written to stays in the audience and is skipped with a reason.
"""

from __future__ import annotations

from typing import Final

# index: group_member_pkey (index only), contact_pkey.
MEMBERS: Final = """
SELECT contact_id FROM group_member WHERE group_id = ANY({groups})
UNION
SELECT id FROM contact WHERE id = ANY({contacts}) AND account_id = {account} AND deleted_at IS NULL
"""

# index: group_member_pkey (index only). One group has no one twice, so nothing needs sorting.
COUNT_ONE_GROUP: Final = "SELECT count(*) FROM group_member WHERE group_id = ANY({groups})"

# index: contact_not_mailable, contact_by_email per suppression, group_member_pkey per candidate.
COUNT_BLOCKED: Final = """
SELECT count(*) FROM (
    SELECT c.id FROM contact AS c
    WHERE c.account_id = {account} AND (c.email IS NULL OR c.consent_email IS FALSE OR c.deleted_at IS NOT NULL)
      AND (c.email IS NULL OR c.deleted_at IS NOT NULL OR {marketing})
    UNION
    SELECT c.id FROM suppression AS s JOIN contact AS c ON c.account_id = s.account_id AND c.email_key = s.address_key
    WHERE s.account_id = {account} AND s.channel = 'email' AND (s.reason <> 'unsubscribed' OR {marketing})
) AS blocked
WHERE (EXISTS (SELECT FROM group_member AS m WHERE m.group_id = ANY({groups}) AND m.contact_id = blocked.id)
       OR blocked.id = ANY({contacts}))
"""

# index: group_member_pkey and group_member_removed_by_group per group, from the cursor on.
MEMBERS_AT_START: Final = """
SELECT contact_id FROM (
    SELECT m.contact_id
    FROM unnest({groups}) AS g (id) CROSS JOIN LATERAL (
        SELECT contact_id FROM group_member
        WHERE group_id = g.id AND contact_id > {cursor} AND pg_visible_in_snapshot(added_xid, {snapshot})
        ORDER BY contact_id LIMIT {limit}) AS m
    UNION
    SELECT m.contact_id
    FROM unnest({groups}) AS g (id) CROSS JOIN LATERAL (
        SELECT contact_id FROM group_member_removed
        WHERE group_id = g.id AND contact_id > {cursor} AND pg_visible_in_snapshot(added_xid, {snapshot})
          AND NOT pg_visible_in_snapshot(removed_xid, {snapshot})
        ORDER BY contact_id LIMIT {limit}) AS m
    UNION
    SELECT c FROM unnest({contacts}) AS c WHERE c > {cursor}
) AS everyone
ORDER BY contact_id LIMIT {limit}
"""
