"""Email over one SMTP relay: our own pipelining-first client on asyncio (RFC 5321, 2920, 3207, 4954, 6152, 6531, 1870).

Read in this order: `channel` (connections as the load needs them), `opening` (greeting to login), `exchange` (the state
machine of messages), `outcomes` (what a refusal means); `connection`, `replies`, `capabilities`, `stages`, `supply`,
`envelope` and `timeouts` are what these stand on, and `..backlog`.
"""

from clarion.adapters.channels.smtp.channel import SmtpChannel
from clarion.adapters.channels.smtp.timeouts import Timeouts

__all__ = ["SmtpChannel", "Timeouts"]
