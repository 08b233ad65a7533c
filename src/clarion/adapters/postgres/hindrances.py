"""What holds a campaign or a run up for now, as columns of their queries: a limit used up, a sender that is shut.

Nothing is stored for it, so nothing of it can be stale. Where to read next: `pace`, `health`.
"""

from __future__ import annotations

from typing import Final

# index: pace_pkey, sender_health_pkey.
HINDRANCES: Final = """
(SELECT max(p.next_free_at) FROM pace AS p
 WHERE {row}.state = '{active}' AND p.owner IN ({row}.sender_id, {row}.account_id) AND p.domain = ''
   AND p.next_free_at > now() + interval '1 second'
) AS rate_limited_until,
(SELECT h.reason FROM sender_health AS h
 WHERE {row}.state = '{active}' AND h.sender_id = {row}.sender_id AND h.is_shut
) AS degraded_reason
"""
"""`row` names the campaign or run, `active` the state in which it sends."""
