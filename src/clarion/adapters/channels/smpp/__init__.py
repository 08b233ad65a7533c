"""Text messages over SMPP 3.4: a client of short message centres that waits for no answer before it sends the next.

Where to read next: `channel`, then `bind`, `inflight`, `incoming`; `pdu` for the bytes, `statuses` for what they mean.
"""

from __future__ import annotations

from clarion.adapters.channels.smpp.channel import SmppChannel
from clarion.adapters.channels.smpp.timers import Timers

__all__ = ["SmppChannel", "Timers"]
