"""Which channel speaks to which provider, and what reads the provider's calls. The only place that knows all of them.

A new provider adds one line to each table. Where to read next: `registry`, which keeps the channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from clarion.adapters.channels.ground import Ground
from clarion.adapters.channels.push import apns, fcm, web_push
from clarion.adapters.channels.smpp import SmppChannel
from clarion.adapters.channels.sms_http import aws, bird, signed_http, twilio, vonage
from clarion.adapters.channels.smtp.channel import SmtpChannel
from clarion.application.ports.channel import Channel
from clarion.application.ports.receipts import Callbacks
from clarion.domain.providers import Provider, ProviderName
from clarion.domain.providers.smpp import SmppBind
from clarion.domain.providers.smtp import SmtpRelay

Secrets = Mapping[str, str]


def open_channel(provider: Provider, secrets: Secrets, ground: Ground) -> Channel[Any]:
    """The channel that speaks to this provider; connects at its first message."""
    return _CHANNELS[provider.name](provider, secrets, ground)


def _smtp(relay: SmtpRelay, secrets: Secrets, ground: Ground) -> SmtpChannel:
    return SmtpChannel(replace(relay, password=secrets.get("password")), helo_name=ground.helo_name)


def _smpp(account: SmppBind, secrets: Secrets, ground: Ground) -> SmppChannel:
    return SmppChannel(account, password=secrets.get("password", ""), ground=ground)


_CHANNELS: Final[dict[ProviderName, Callable[[Any, Secrets, Ground], Channel[Any]]]] = {
    ProviderName.SMTP: _smtp,
    ProviderName.SMPP: _smpp,
    ProviderName.TWILIO: twilio.channel,
    ProviderName.VONAGE: vonage.channel,
    ProviderName.BIRD: bird.channel,
    ProviderName.AWS_SMS: aws.channel,
    ProviderName.SIGNED_HTTP: signed_http.channel,
    ProviderName.FCM: fcm.channel,
    ProviderName.APNS: apns.channel,
    ProviderName.WEB_PUSH: web_push.channel,
}
CALLBACKS: Final[dict[ProviderName, Callable[[Any, Secrets, Ground], Callbacks]]] = {
    ProviderName.TWILIO: twilio.callbacks,
    ProviderName.VONAGE: vonage.callbacks,
    ProviderName.BIRD: bird.callbacks,
    ProviderName.AWS_SMS: aws.callbacks,
    ProviderName.SIGNED_HTTP: signed_http.callbacks,
}
"""What reads the calls of each provider that makes any."""
