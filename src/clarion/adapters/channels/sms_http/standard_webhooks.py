"""Signatures as the Standard Webhooks specification writes them, for what we send and for what comes back.

Bird signs so, and so does whoever speaks our signed JSON. Pure; the clock is given. Where to read next: `bird`,
`signed_http`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final

from clarion.adapters.channels.sms_http.callbacks import TOLERANCE_S, demand_fresh, hmac_base64, same
from clarion.application.ports.receipts import Callback, Forged

_PREFIX: Final = "whsec_"


def key_of(secret: str) -> bytes:
    """The key in a secret, which is base64 behind `whsec_`.

    Raises:
        ValueError: it is not.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError) as fault:
        raise ValueError("a signing secret is base64, behind whsec_") from fault
    if not key:
        raise ValueError("a signing secret is not empty")
    return key


def signed_headers(key: bytes, *, name: str, now: float, body: bytes) -> Mapping[str, str]:
    """The three headers of a signed request; `name` is the id of its message, without a dot."""
    timestamp = str(int(now))
    signature = hmac_base64(key, f"{name}.{timestamp}.".encode() + body)
    return {"webhook-id": name, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}


def demand_signed(request: Callback, secret: str, now: float) -> str:
    """The id of a request that is signed with this secret, not longer ago than `TOLERANCE_S`. Raises Forged.

    One good signature among several is enough: secrets change without a gap that way.
    """
    name, timestamp, signatures = (
        request.headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature")
    )
    if not name or not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise Forged("webhook-id or webhook-timestamp is missing")
    try:
        key = key_of(secret)
    except ValueError as fault:
        raise Forged(str(fault)) from fault
    expected = hmac_base64(key, f"{name}.{timestamp}.".encode() + request.body)
    versions = (one.partition(",") for one in signatures.split(" "))
    # Every one is compared, so that the time taken tells nothing of which one was good.
    if True not in [version == "v1" and same(signature, expected) for version, _, signature in versions]:
        raise Forged("no signature of this request is ours")
    demand_fresh(float(timestamp), now, TOLERANCE_S)
    return name
