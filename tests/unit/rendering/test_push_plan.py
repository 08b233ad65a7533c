"""A push message as each service is given it, and what becomes of one that cannot be made."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from clarion.domain.campaign import Category
from clarion.domain.content import PUSH_TTL_LIMIT, PushContent
from clarion.domain.errors import Invalid
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason
from clarion.domain.providers import Provider
from clarion.domain.providers.push import Apns, Fcm, WebPush
from clarion.domain.push_address import WebSubscription
from clarion.domain.sender import Sender
from clarion.rendering.context import NO_CONTEXT, look_over
from clarion.rendering.facts import RunFacts
from clarion.rendering.message import Refusal
from clarion.rendering.push import WirePush
from clarion.rendering.push_payload import apns_payload, fcm_request, web_payload
from clarion.rendering.push_plan import PushPlan, compile_push, content_problems, oversize

RUN = Id(bytes(range(12)))
KEY = f"{RUN.hex()}-7"
APNS = Apns(app="shop", topic="test.shop", team_id="TEAM456789", key_id="KEY4567890")
FCM = Fcm(app="shop", project_id="shop-1234", client_email="push@shop-1234.iam.gserviceaccount.com")
WEB = WebPush(app="shop", subject="mailto:push@shop.test")
TOKENS = {
    APNS: "ab" * 32,
    FCM: "fcm:token",
    WEB: WebSubscription("https://push.test/1", "B" + "A" * 86, "A" * 22).packed(),
}
PERSON = {"firstName": "Corra", "attributes": {"city": "Northmere"}}
FULL = PushContent(
    title="Hello {{ contact.firstName }}",
    body="News from {{ contact.attributes.city }}",
    action_url="https://shop.test/?city={{ contact.attributes.city }} & more",
    image_url="https://shop.test/a.png",
    ttl_seconds=60,
    extras={"order": {"no": 7, "of": ["{{ contact.firstName }}", True]}, "note": "plain"},
)


def plan(content: PushContent, provider: Provider | None = APNS) -> PushPlan:
    facts = RunFacts(
        account_id=Id(bytes(12)),
        account_name="Shop",
        campaign_id=Id(bytes(12)),
        campaign_name="Spring",
        run_id=RUN,
        category=Category.MARKETING,
        from_address="",
    )
    now = datetime(2026, 1, 1, tzinfo=UTC)
    sender = Sender(
        id=Id(bytes(12)),
        name="push",
        provider=provider or APNS,
        from_address="",
        rate_per_second=None,
        created_at=now,
        updated_at=now,
    )
    return compile_push(content, facts=facts, sender=sender if provider else None, links=None)


def written(content: PushContent, provider: Provider = APNS, person: dict[str, Any] | None = None) -> WirePush:
    message = plan(content, provider).render(7, TOKENS[provider], PERSON if person is None else person, "")
    assert isinstance(message, WirePush)
    return message


def refused(content: PushContent, person: dict[str, Any], provider: Provider = APNS) -> Refusal:
    message = plan(content, provider).render(7, TOKENS[provider], person, "")
    assert isinstance(message, Refusal)
    return message


def broken(content: PushContent, provider: Provider | None = APNS) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        plan(content, provider)
    return [(problem.field, problem.rule) for problem in caught.value.problems]


def test_every_text_is_a_template_also_within_the_data() -> None:
    message = written(FULL)
    assert (message.title, message.body) == ("Hello Corra", "News from Northmere")
    assert message.data == {"order": {"no": 7, "of": ["Corra", True]}, "note": "plain"}
    assert message.action_url == "https://shop.test/?city=Northmere%20&%20more"
    assert (message.ttl_s, message.key) == (60, KEY)


def test_apns_gets_an_alert_and_the_data_beside_it() -> None:
    assert json.loads(apns_payload(written(FULL))) == {
        "aps": {"alert": {"title": "Hello Corra", "body": "News from Northmere"}, "mutable-content": 1},
        "order": {"no": 7, "of": ["Corra", True]},
        "note": "plain",
        "deliveryId": KEY,
        "actionUrl": "https://shop.test/?city=Northmere%20&%20more",
        "imageUrl": "https://shop.test/a.png",
    }


def test_fcm_gets_texts_only_and_the_delivery_as_its_collapse_key() -> None:
    message = json.loads(fcm_request(written(FULL, FCM)))["message"]
    assert message["token"] == "fcm:token"
    assert message["notification"] == {
        "title": "Hello Corra",
        "body": "News from Northmere",
        "image": "https://shop.test/a.png",
    }
    assert message["data"]["order"] == '{"no":7,"of":["Corra",true]}'
    assert message["data"]["deliveryId"] == KEY
    assert message["android"] == {"collapse_key": KEY, "priority": "HIGH", "ttl": "60s", "notification": {"tag": KEY}}
    assert message["apns"]["headers"]["apns-collapse-id"] == KEY


def test_a_browser_gets_what_show_notification_takes() -> None:
    told = json.loads(web_payload(written(FULL, WEB)))
    assert told["web_push"] == 8030
    assert told["notification"]["tag"] == KEY
    assert told["notification"]["navigate"] == "https://shop.test/?city=Northmere%20&%20more"
    assert told["notification"]["data"]["order"]["of"] == ["Corra", True]


@pytest.mark.parametrize("provider", [APNS, FCM, WEB], ids=["apns", "fcm", "web"])
def test_a_silent_message_carries_its_data_and_no_words(provider: Provider) -> None:
    content = PushContent(body="unseen", silent=True, extras={"sync": "{{ contact.attributes.city }}"})
    message = written(content, provider)
    payloads = {APNS: apns_payload, FCM: fcm_request, WEB: web_payload}
    payload = payloads[provider](message)
    assert b"unseen" not in payload
    assert b"Northmere" in payload
    if provider is APNS:
        assert json.loads(payload)["aps"] == {"content-available": 1}
    if provider is FCM:
        assert "notification" not in json.loads(payload)["message"]
    assert plan(content, provider).warnings == ("it is silent: title, body and image are not sent",)


def test_what_nobody_has_is_reported_and_links_of_mails_are_not_there() -> None:
    found = plan(PushContent(body="{{ contact.shoe }} {{ context.code }} {{ unsubscribe_url }}"))
    assert found.warnings == ("nothing is named 'contact.shoe'", "a push message has no unsubscribe_url")
    assert found.reads_context
    assert plan(FULL).columns == {"first_name", "attributes"}


def test_what_a_call_said_is_printed() -> None:
    content = PushContent(body="Your code is {{ context.code }}")
    message = plan(content).render(1, TOKENS[APNS], {}, "", look_over({"code": "X1"}))
    assert isinstance(message, WirePush)
    assert message.body == "Your code is X1"


def test_an_unset_time_to_live_is_the_longest_there_is() -> None:
    assert written(PushContent(body="x")).ttl_s == PUSH_TTL_LIMIT
    assert written(PushContent(body="x", ttl_seconds=0)).ttl_s == 0
    assert broken(PushContent(body="x", ttl_seconds=PUSH_TTL_LIMIT + 1)) == [("message.push.ttlSeconds", "range")]


@pytest.mark.parametrize("provider", [APNS, FCM, WEB], ids=["apns", "fcm", "web"])
def test_five_kilobytes_are_refused_before_the_start(provider: Provider) -> None:
    content = PushContent(body="x" * 4096, title="y" * 904)
    assert [(problem.field, problem.rule) for problem in content_problems(content)] == [("message.push", "tooBig")]
    problem = oversize(plan(content, provider), {"attributes": {}})
    assert problem is not None
    assert problem.rule == "tooBig"


def test_what_fits_one_service_may_be_saved() -> None:
    content = PushContent(body="x" * 3950)
    assert content_problems(content) == []
    assert oversize(plan(content, APNS), {}) is None
    assert oversize(plan(content, WEB), {}) is not None


@pytest.mark.parametrize("provider", [APNS, FCM, WEB], ids=["apns", "fcm", "web"])
def test_a_person_whose_data_is_too_long_is_left_out_and_nobody_else(provider: Provider) -> None:
    content = PushContent(body="Hello {{ contact.attributes.note }}")
    assert written(content, provider, {"attributes": {"note": "short"}}).body == "Hello short"
    refusal = refused(content, {"attributes": {"note": "\N{GRINNING FACE}" * 1250}}, provider)
    assert refusal.reason is Reason.TOO_BIG
    assert "bytes" in refusal.detail


def test_the_longest_data_of_an_audience_is_a_problem_before_the_start() -> None:
    made = plan(PushContent(body="Hello {{ contact.attributes.note }}"))
    assert oversize(made, {"attributes": {"note": "short"}}) is None
    problem = oversize(made, {"attributes": {"note": "x" * 5000}})
    assert problem is not None
    assert (problem.field, problem.rule) == ("message.push", "tooBig")
    assert "APNs takes 4,096" in problem.message


@pytest.mark.parametrize(("provider", "room"), [(APNS, 4096), (FCM, 4096), (WEB, 3993)], ids=["apns", "fcm", "web"])
def test_a_message_may_fill_the_limit_to_the_last_byte(provider: Provider, room: int) -> None:
    content = PushContent(body="{{ contact.attributes.note }}")

    def fits(length: int) -> bool:
        message = plan(content, provider).render(7, TOKENS[provider], {"attributes": {"note": "x" * length}}, "")
        return isinstance(message, WirePush)

    longest = next(length for length in range(room, 0, -1) if fits(length))
    message = written(content, provider, {"attributes": {"note": "x" * longest}})
    if provider is not FCM:
        payload = apns_payload(message) if provider is APNS else web_payload(message)
        assert len(payload) == room


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (PushContent(body="{% if %}"), ("message.push.body", "syntax")),
        (PushContent(body="x", title="a\0b"), ("message.push.title", "characters")),
        (PushContent(body="x", extras={"aps": {}}), ("message.push.extras.aps", "reserved")),
        (PushContent(body="x", extras={"google.c.a": "1"}), ("message.push.extras.google.c.a", "reserved")),
        (PushContent(body="x", extras={"deliveryId": "1"}), ("message.push.extras.deliveryId", "reserved")),
        (PushContent(body="x", extras={"a": ["{% for %}"]}), ("message.push.extras", "syntax")),
        (PushContent(body="x", action_url="javascript:alert(1)"), ("message.push.actionUrl", "uri")),
        (PushContent(body="x", image_url="shop://van.png"), ("message.push.imageUrl", "uri")),
    ],
)
def test_what_an_author_gets_wrong_is_named(content: PushContent, problem: tuple[str, str]) -> None:
    (found,) = broken(content)
    assert found[0] == problem[0]
    assert problem[1] == "syntax" or found[1] == problem[1]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//host/path", "no url"])
def test_data_cannot_make_a_link_of_something_else(url: str) -> None:
    content = PushContent(body="x", action_url="{{ contact.attributes.url }}")
    assert refused(content, {"attributes": {"url": url}}).reason is Reason.RENDER_FAILED


def test_a_link_that_nobody_gave_is_no_link() -> None:
    content = PushContent(body="x", action_url="{{ contact.attributes.url }}")
    assert written(content, APNS, {"attributes": {}}).action_url == ""
    assert written(content, APNS, {"attributes": {"url": "shop://orders/7"}}).action_url == "shop://orders/7"


def test_data_cannot_move_from_one_text_into_the_next() -> None:
    content = PushContent(title="{{ contact.firstName }}", body="b")
    assert refused(content, {"firstName": "a\x1eb", "attributes": {}}).reason is Reason.RENDER_FAILED


@pytest.mark.parametrize(
    ("provider", "address"),
    [
        (APNS, "xyz"),
        (APNS, "../../3/device/ab"),
        (FCM, ""),
        (FCM, "two words"),
        (WEB, "https://push.test/1"),
        (WEB, WebSubscription("http://push.test/1", "B" + "A" * 86, "A" * 22).packed()),
        (WEB, WebSubscription("https://push.test/1", "AAAA", "A" * 22).packed()),
    ],
)
def test_what_is_no_address_is_not_sent_to(provider: Provider, address: str) -> None:
    message = plan(PushContent(body="x"), provider).render(1, address, {}, "")
    assert isinstance(message, Refusal)
    assert message.reason is Reason.INVALID_ADDRESS


def test_an_address_has_one_key() -> None:
    assert plan(FULL, APNS).key("AB" * 32) == "ab" * 32
    assert plan(FULL, WEB).key(TOKENS[WEB]) == "https://push.test/1"
    assert plan(FULL, FCM).key("fcm:Token") == "fcm:Token"


def test_without_a_sender_a_message_is_written_and_no_limit_looked_at() -> None:
    assert isinstance(plan(PushContent(body="x" * 4096), None).render(1, "token", {}, "", NO_CONTEXT), WirePush)
