"""The providers a sender can have: their settings as plain values, one module a family.

Never connects to anything; that is `adapters/channels`. Where to read next: `provider`.
"""

from __future__ import annotations

from typing import Final

from clarion.domain.providers.provider import Provider, ProviderName
from clarion.domain.providers.push import Apns, Fcm, WebPush
from clarion.domain.providers.smpp import SmppBind
from clarion.domain.providers.sms_http import AwsSms, Bird, SignedHttp, Twilio, Vonage
from clarion.domain.providers.smtp import SmtpRelay

__all__ = ["PROVIDERS", "Provider", "ProviderName"]

PROVIDERS: Final[dict[ProviderName, type[Provider]]] = {
    kind.name: kind for kind in (SmtpRelay, SmppBind, Twilio, Vonage, Bird, AwsSms, SignedHttp, Fcm, Apns, WebPush)
}
"""Every kind of provider by its name."""
