"""What Adobe calls the reasons for which somebody is excluded, channel by channel.

The names and codes are of "Exclusion codes" in the vendor's documentation of message feedback events. Where to read
next: `mapping`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from clarion.domain.channel import ChannelName
from clarion.domain.delivery import Delivery
from clarion.domain.outcome import Reason
from clarion.entrypoints.http.dialects.ajo.models import Exclusion


class _Excluded(NamedTuple):
    """Adobe's name and code of an exclusion."""

    reason: str
    code: str


_DISPATCH: Final = _Excluded("RuntimeDispatchError", "050301")
_RENDERING: Final = _Excluded("RuntimeRenderingError", "050302")
_SUPPRESSED: Final = _Excluded("Suppressed", "050107")
_NOT_ALLOWED: Final = _Excluded("NotAllowed", "050108")
_SMS_NO_NUMBER: Final = _Excluded("SMSNoToNumberDefinedInProfile", "050153")
_PUSH_NO_TOKEN: Final = _Excluded("PushNoValidTokenFoundForApps", "050031")

_OF_ANY: Final[Mapping[Reason, _Excluded]] = {
    Reason.SUPPRESSED: _SUPPRESSED,
    Reason.CONTACT_BLOCKED: _NOT_ALLOWED,
    Reason.COUNTRY_NOT_ALLOWED: _NOT_ALLOWED,
    Reason.RENDER_FAILED: _RENDERING,
    Reason.TEMPLATE_TOO_EXPENSIVE: _RENDERING,
    Reason.TOO_LONG: _RENDERING,
    Reason.TOO_BIG: _RENDERING,
    Reason.RUN_STOPPED: _DISPATCH,
}
"""On every channel where nothing else is said; any other reason is a dispatch error."""

_BY_CHANNEL: Final[Mapping[ChannelName, Mapping[Reason, _Excluded]]] = {
    ChannelName.EMAIL: {
        Reason.NO_ADDRESS: _Excluded("EmailNoAddressFoundInProfile", "050020"),
        Reason.INVALID_ADDRESS: _Excluded("EmailMalformedAddress", "050024"),
        Reason.NO_CONSENT: _Excluded("EmailNoConsent", "050101"),
        Reason.UNSUBSCRIBED: _Excluded("EmailNoConsent", "050101"),
        Reason.SUPPRESSED: _Excluded("EmailSuppressed", "050102"),
        Reason.CONTACT_DELETED: _Excluded("EmailNoSubscriberIdFoundInProfile", "050025"),
    },
    ChannelName.SMS: {
        Reason.NO_ADDRESS: _SMS_NO_NUMBER,
        Reason.INVALID_ADDRESS: _SMS_NO_NUMBER,
        Reason.UNROUTABLE: _SMS_NO_NUMBER,
        Reason.LANDLINE: _SMS_NO_NUMBER,
        Reason.CONTACT_DELETED: _SMS_NO_NUMBER,
        Reason.NO_CONSENT: _Excluded("SMSNoConsent", "050104"),
        Reason.UNSUBSCRIBED: _Excluded("SMSNoConsent", "050104"),
        Reason.NO_ORIGINATOR: _Excluded("SMSFromNumberNotDefinedInPreset", "050152"),
    },
    ChannelName.PUSH: {
        Reason.NO_ADDRESS: _Excluded("PushNoTokenFoundInProfile", "050030"),
        Reason.INVALID_ADDRESS: _PUSH_NO_TOKEN,
        Reason.ADDRESS_UNKNOWN: _PUSH_NO_TOKEN,
        Reason.CONTACT_DELETED: _Excluded("PushMalformedProfile", "050034"),
        Reason.NO_CONSENT: _Excluded("PushNoConsent", "050111"),
        Reason.UNSUBSCRIBED: _Excluded("PushNoConsent", "050111"),
    },
}
"""By channel, from each reason for not even trying to what Adobe calls it."""


def exclusion_of(delivery: Delivery) -> Exclusion | None:
    """Why somebody was excluded, in Adobe's words; `detail` is our own."""
    if delivery.reason is None:
        return None
    reason = Reason(delivery.reason)
    found = _BY_CHANNEL[delivery.channel].get(reason) or _OF_ANY.get(reason, _DISPATCH)
    return Exclusion(reason=found.reason, code=found.code, detail=delivery.reason)
