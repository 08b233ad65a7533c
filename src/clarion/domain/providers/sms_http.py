"""Providers of SMS over HTTP: what each of them must be told once, and what is wrong with it.

Settings only; secrets are named and never held. Where to read next: `adapters/channels/sms_http`, docs/providers.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from clarion.domain.channel import ChannelName
from clarion.domain.errors import Problem
from clarion.domain.providers.provider import (
    DEFAULT_CONNECTIONS,
    ProviderName,
    connection_problems,
    text_problems,
    url_problems,
)

BATCH_LIMIT: Final = 100
"""Messages of one request at most, where a provider batches: Bird's own limit, and ours for signed JSON."""
_ACCOUNT_SID: Final = re.compile(r"AC[0-9A-Fa-f]{32}", re.ASCII)
_SERVICE_SID: Final = re.compile(r"(MG[0-9A-Fa-f]{32})?", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}", re.ASCII)
_TOPIC: Final = re.compile(r"(arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]{1,256})?", re.ASCII)
_CONFIGURATION_SET: Final = re.compile(r"[A-Za-z0-9_:/-]{0,256}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Twilio:
    """Twilio's Programmable Messaging. With a Messaging Service, that one chooses the originator."""

    name: ClassVar[ProviderName] = ProviderName.TWILIO
    channel: ClassVar[ChannelName] = ChannelName.SMS
    secrets: ClassVar[tuple[str, ...]] = ("authToken",)

    account_sid: str
    messaging_service_sid: str = ""
    base_url: str = "https://api.twilio.com"
    max_connections: int = DEFAULT_CONNECTIONS

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the settings."""
        yield from _pattern_problems("settings.accountSid", self.account_sid, _ACCOUNT_SID, "AC and 32 hex digits")
        yield from _pattern_problems(
            "settings.messagingServiceSid", self.messaging_service_sid, _SERVICE_SID, "MG and 32 hex digits, or nothing"
        )
        yield from url_problems("settings.baseUrl", self.base_url)
        yield from connection_problems(self.max_connections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vonage:
    """Vonage's Messages API. The private key is the application's; the signature secret is the account's."""

    name: ClassVar[ProviderName] = ProviderName.VONAGE
    channel: ClassVar[ChannelName] = ChannelName.SMS
    secrets: ClassVar[tuple[str, ...]] = ("privateKey", "signatureSecret")

    application_id: str
    base_url: str = "https://api.nexmo.com"
    max_connections: int = DEFAULT_CONNECTIONS

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the settings."""
        yield from _pattern_problems("settings.applicationId", self.application_id, _UUID, "a UUID")
        yield from url_problems("settings.baseUrl", self.base_url)
        yield from connection_problems(self.max_connections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bird:
    """Bird, formerly MessageBird. `category` is what Bird wants to know of every message: why it is sent.

    `base_url` names the region that the key's second part names: `bk_eu1_...` belongs to eu1.
    """

    name: ClassVar[ProviderName] = ProviderName.BIRD
    channel: ClassVar[ChannelName] = ChannelName.SMS
    secrets: ClassVar[tuple[str, ...]] = ("apiKey", "webhookSecret")

    category: str = "marketing"
    base_url: str = "https://eu1.platform.bird.com"
    batch_size: int = BATCH_LIMIT
    max_connections: int = DEFAULT_CONNECTIONS

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the settings."""
        yield from text_problems("settings.category", self.category, 40)
        yield from url_problems("settings.baseUrl", self.base_url)
        yield from _batch_problems(self.batch_size)
        yield from connection_problems(self.max_connections)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsSms:
    """AWS End User Messaging SMS. Events come over SNS, from the one topic that is named here.

    `base_url` is empty for the region's own endpoint. Without a configuration set AWS tells nothing of deliveries.
    """

    name: ClassVar[ProviderName] = ProviderName.AWS_SMS
    channel: ClassVar[ChannelName] = ChannelName.SMS
    secrets: ClassVar[tuple[str, ...]] = ("secretAccessKey",)

    region: str
    access_key_id: str
    message_type: str = "PROMOTIONAL"
    configuration_set: str = ""
    topic_arn: str = ""
    base_url: str = ""
    max_connections: int = DEFAULT_CONNECTIONS

    @property
    def endpoint(self) -> str:
        """Where requests go."""
        return (self.base_url or f"https://sms-voice.{self.region}.amazonaws.com").rstrip("/") + "/"

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the settings."""
        yield from _pattern_problems("settings.region", self.region, _REGION, "a region such as eu-central-1")
        yield from text_problems("settings.accessKeyId", self.access_key_id, 128)
        if self.message_type not in {"PROMOTIONAL", "TRANSACTIONAL"}:
            yield Problem("settings.messageType", "enum", "PROMOTIONAL or TRANSACTIONAL")
        yield from _pattern_problems(
            "settings.configurationSet", self.configuration_set, _CONFIGURATION_SET, "a name or an ARN, or nothing"
        )
        yield from _pattern_problems("settings.topicArn", self.topic_arn, _TOPIC, "the ARN of an SNS topic, or nothing")
        if self.base_url:
            yield from url_problems("settings.baseUrl", self.base_url)
        yield from connection_problems(self.max_connections)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHttp:
    """Any service that takes our signed JSON (docs/providers.md): both sides sign as Standard Webhooks says."""

    name: ClassVar[ProviderName] = ProviderName.SIGNED_HTTP
    channel: ClassVar[ChannelName] = ChannelName.SMS
    secrets: ClassVar[tuple[str, ...]] = ("signingSecret",)

    url: str
    batch_size: int = 1
    max_connections: int = DEFAULT_CONNECTIONS

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the settings."""
        yield from url_problems("settings.url", self.url)
        yield from _batch_problems(self.batch_size)
        yield from connection_problems(self.max_connections)


def _pattern_problems(field: str, text: str, pattern: re.Pattern[str], rule: str) -> Iterator[Problem]:
    if not pattern.fullmatch(text):
        yield Problem(field, "pattern", rule)


def _batch_problems(batch_size: int) -> Iterator[Problem]:
    if not 1 <= batch_size <= BATCH_LIMIT:
        yield Problem("settings.batchSize", "range", f"1 to {BATCH_LIMIT}")
