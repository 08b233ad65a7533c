"""Where a push message may go: tokens and endpoints that strangers hand in."""

from __future__ import annotations

import pytest

from clarion.domain.push_address import (
    WebSubscription,
    apns_token_fault,
    endpoint_fault,
    fcm_token_fault,
    keys_fault,
    read_subscription,
)


@pytest.mark.parametrize(
    "url",
    [
        "https://fcm.googleapis.com/fcm/send/abc:DEF-123",
        "https://updates.push.services.mozilla.com/wpush/v2/gAAA",
        "https://web.push.apple.com/QNY",
        "https://db5p.notify.windows.com/w/?token=BQ%3d",
        "https://[2606:4700::1111]/x",
    ],
)
def test_endpoints_of_push_services_are_taken(url: str) -> None:
    assert endpoint_fault(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://fcm.googleapis.com/x",
        "https://127.0.0.1/x",
        "https://127.1/x",
        "https://0x7f000001/x",
        "https://2130706433/x",
        "https://localhost/x",
        "https://app.localhost./x",
        "https://10.1.2.3/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://[64:ff9b::a00:1]/x",
        "https://metadata.google.internal/x",
        "https://printer.local/x",
        "https://router/x",
        "https://user:secret@push.test/x",
        "https://push.test/x#y",
        "https://push.test:99999/x",
        "https://push.test\\@10.0.0.1/x",
        "https://push.test/\r\nHost: x",
        "https:///x",
        "https://push.test/" + "x" * 2048,
        "file:///etc/passwd",
    ],
)
def test_endpoints_that_lead_elsewhere_are_not(url: str) -> None:
    assert endpoint_fault(url) is not None


def test_a_push_service_of_ones_own_may_be_private_and_is_still_reached_over_tls() -> None:
    assert endpoint_fault("https://10.1.2.3:8443/x", allow_private=True) is None
    assert endpoint_fault("http://10.1.2.3/x", allow_private=True) is not None


def test_a_subscription_survives_being_packed_and_anything_else_is_none() -> None:
    subscription = WebSubscription("https://push.test/1", "key", "secret")
    assert read_subscription(subscription.packed()) == subscription
    for text in ("", "{}", "[]", '{"endpoint":1,"p256dh":"","auth":""}', "ab" * 32, "[" * 100_000):
        assert read_subscription(text) is None


def test_keys_are_a_point_and_sixteen_octets() -> None:
    point = "B" + "A" * 86
    assert keys_fault(point, "A" * 22) is None
    assert keys_fault(point + "=", "A" * 22 + "==") is None
    assert keys_fault("A" * 87, "A" * 22) is not None
    assert keys_fault(point, "A" * 21) is not None
    assert keys_fault(point, "*" * 22) is not None


def test_tokens_have_their_services_shape() -> None:
    assert apns_token_fault("aB" * 32) is None
    assert apns_token_fault("ab" * 80) is None
    assert apns_token_fault("ab" * 32 + "/") is not None
    assert fcm_token_fault("cX1:APA91b-_x") is None
    assert fcm_token_fault("a b") is not None
