"""The bytes: parsed back by Python's own parser and compared (T01, T03, T04, T11, T15, T18, T22, S4)."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.templates import ACCOUNT, DATE, RUN, SIGNER, plan_of

from clarion.domain.campaign import Category
from clarion.domain.errors import Invalid
from clarion.domain.outcome import Reason
from clarion.rendering.email import LINE_LIMIT, WireEmail, has_long_line
from clarion.rendering.plan import EmailPlan, Preview, Refusal
from clarion.rendering.tokens import Purpose, TokenFacts

TO = "ada@clarion.test"


def wire(plan: EmailPlan, contact: dict[str, object] | None = None, seq: int = 1, to: str = TO) -> WireEmail:
    message = plan.render(seq, to, contact or {}, DATE)
    assert isinstance(message, WireEmail), message
    return message


def unstuffed(data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    assert b"." not in lines
    return b"\r\n".join(line.removeprefix(b".") if line.startswith(b"..") else line for line in lines)


def read(data: bytes) -> EmailMessage:
    """The message as a server has it after DATA, checked for everything that must never be on the wire."""
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\x00", data)
    assert not re.search(rb"\r\n\.(?!\.)", data)
    assert data.endswith(b"\r\n")
    assert all(len(line) <= LINE_LIMIT for line in data.split(b"\r\n"))
    parsed = email.message_from_bytes(unstuffed(data), policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    old = email.message_from_bytes(unstuffed(data), policy=email.policy.compat32)
    assert len(old.get_all("To", [])) == len(old.get_all("From", [])) == 1
    assert [part.get_content_type() for part in old.walk()][1:] == ["text/plain", "text/html"]
    assert not parsed.defects
    return parsed


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert isinstance(part, EmailMessage)
    content = part.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def test_a_message_says_the_same_after_a_mail_reader_has_read_it() -> None:
    plan = plan_of(
        "<p>Grüße, {{ contact.firstName }}</p>\n",
        subject="Für {{ contact.firstName }}",
        text="Grüße, {{ contact.firstName }}\n",
        from_="Bücher & Co <news@clarion.test>",
        reply_to='"Help, please" <help@clarion.test>',
    )
    message = wire(plan, {"firstName": "Zoë <3"}, seq=7)
    parsed = read(message.data)
    assert parsed["Subject"] == "Für Zoë <3"
    assert parsed["From"].addresses[0].display_name == "Bücher & Co"
    assert parsed["Reply-To"].addresses[0].display_name == "Help, please"
    assert [address.addr_spec for address in parsed["To"].addresses] == [TO]
    assert body(parsed, "plain") == "Grüße, Zoë <3\n"
    assert body(parsed, "html") == "<p>Grüße, Zoë &lt;3</p>\n"
    assert (message.mail_from, message.rcpt_to, message.is_8bit) == ("news@clarion.test", TO, True)
    assert message.message_id == parsed["Message-ID"] == f"<{RUN.hex()}-7@clarion.test>"
    assert message == wire(plan, {"firstName": "Zoë <3"}, seq=7)


def test_marketing_mail_can_be_left_with_one_click() -> None:
    plan = plan_of('<a href="{{ unsubscribe_url }}">leave</a>', category=Category.MARKETING)
    parsed = read(wire(plan, seq=9).data)
    https, mailto = re.findall(r"<([^>]+)>", parsed["List-Unsubscribe"])
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert https.startswith("https://mail.clarion.test/u/")
    assert SIGNER.read(https.rpartition("/")[2], Purpose.UNSUBSCRIBE) == TokenFacts(ACCOUNT, RUN, 9)
    assert mailto.startswith("mailto:leave@clarion.test?subject=")
    assert f'href="{https}"' in body(parsed, "html")
    assert f"leave ({https})" in body(parsed, "plain")
    assert "Auto-Submitted" not in parsed


def test_transactional_mail_asks_for_no_automatic_answer() -> None:
    parsed = read(wire(plan_of()).data)
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert "List-Unsubscribe" not in parsed


@pytest.mark.parametrize(
    "breaker", ["\r\n", "\n", "\r", "\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\0", "\x1e", "\t"]
)
def test_t01_a_line_break_is_refused_wherever_a_header_could_take_it(breaker: str) -> None:
    hostile = f"Hi{breaker}Bcc: eve@x.example"
    with pytest.raises(Invalid) as refused:
        plan_of(subject=hostile, from_=f"N{breaker} <n@clarion.test>", reply_to=f"n@clarion.test{breaker}\nx")
    fields = {problem.field for problem in refused.value.problems}
    assert {"message.email.subject", "message.email.replyTo"} <= fields
    message = plan_of(subject="Hi {{ contact.firstName }}").render(1, TO, {"firstName": hostile}, DATE)
    assert isinstance(message, Refusal)
    assert message.reason is Reason.RENDER_FAILED
    assert "eve" not in message.detail


@pytest.mark.parametrize(
    "to", ["a@b.example, c@d.example", "a@b.example\r\nBcc: c@d.example", "Ada <a@b.example>", "a", ""]
)
def test_t05_t06_a_bad_address_never_reaches_a_message(to: str) -> None:
    message = plan_of().render(1, to, {}, DATE)
    assert isinstance(message, Refusal)
    assert message.reason is Reason.INVALID_ADDRESS


def test_t04_a_plain_value_that_looks_encoded_is_not_decoded_into_something_else() -> None:
    subject = "=?utf-8?q?evil=40x=2Etest=2C?="
    parsed = read(wire(plan_of(subject="{{ contact.firstName }}"), {"firstName": subject}).data)
    assert parsed["Subject"] == subject


@pytest.mark.parametrize(
    "hostile",
    [
        "\r.\r\n", "\r.\r", "\n.\n", "\r\n\0.\r\n", "\r\n.\r\nMAIL FROM:<eve@x.example>", ".", "..", ".\r", "\r\n",
        "a\rb\nc\n\r",
    ],
)  # fmt: skip
def test_t11_no_value_can_end_the_message_early(hostile: str) -> None:
    plan = plan_of("<p>\n{{ contact.a }}\n</p>", text="{{ contact.firstName }}\n{{ contact.lastName }}.\n")
    for contact in ({"firstName": hostile}, {"lastName": hostile}, {"firstName": hostile, "lastName": hostile}):
        message = plan.render(1, TO, contact, DATE)
        if "\0" in hostile:
            assert isinstance(message, Refusal)
            continue
        assert isinstance(message, WireEmail)
        first, last = (re.sub(r"\r\n?|\n", "\n", contact.get(name, "")) for name in ("firstName", "lastName"))
        assert body(read(message.data), "plain") == f"{first}\n{last}.\n"


def test_t11_dots_of_the_template_are_doubled_once() -> None:
    source = ".first\n<style>\n.a{}\n..b{}\n</style>\n.\n"
    for text in (".\n..\n...\nend\n", "{{ contact.firstName }}\n.\n..\n"):
        for name in ("", ".", "a", "line\n.line"):
            parsed = read(wire(plan_of(source, text=text), {"firstName": name}).data)
            assert body(parsed, "html") == source
            assert body(parsed, "plain") == text.replace("{{ contact.firstName }}", name)


@pytest.mark.parametrize("filler", ["a", "ä", "a ", "日本"])
def test_t15_long_lines_are_encoded_for_that_message_only(filler: str) -> None:
    plan = plan_of("<p>{{ contact.firstName }}</p>\n", text="{{ contact.firstName }}\n.\n")
    assert b"Content-Transfer-Encoding: 8bit" in wire(plan, {"firstName": "a"}).data
    message = wire(plan, {"firstName": filler * 2000})
    assert not message.is_8bit
    assert body(read(message.data), "plain") == f"{filler * 2000}\n.\n"


def test_t15_every_message_has_a_form_for_servers_without_8bitmime() -> None:
    plan = plan_of("<p>Grüße\n.\n{{ contact.firstName }} =20 \n</p>", text=".Ünter\n{{ contact.firstName }}")
    message = wire(plan, {"firstName": "日本 .\n. x"})
    seven = message.seven_bit()
    assert seven.data.isascii()
    assert not seven.is_8bit
    assert seven.seven_bit() is seven
    for kind in ("plain", "html"):
        assert body(read(seven.data), kind) == body(read(message.data), kind)


def test_t15_a_non_ascii_local_part_is_marked_for_smtputf8() -> None:
    message = wire(plan_of(), to="jörg@clarion.test")
    assert message.needs_smtputf8
    assert "To: jörg@clarion.test\r\n".encode() in message.data
    assert not wire(plan_of()).needs_smtputf8


def test_t15_a_page_without_line_ends_stays_readable_as_it_is() -> None:
    page = "<table>" + '<tr class="r"><td style="color:red" align="left">cell</td></tr>' * 200 + "</table>"
    message = wire(plan_of(page))
    assert b"quoted-printable" not in message.data
    assert re.sub(r"\n", "", body(read(message.data), "html")) == page


def test_t18_nothing_of_one_person_is_in_the_mail_of_another() -> None:
    plan = plan_of(
        "<p>{{ contact.firstName | default('you') }} {{ contact.attributes.code }}</p>"
        "{% set x = contact.lastName %}{{ x }}",
        subject="{{ contact.firstName }}: {{ contact.attributes.code }}",
        category=Category.MARKETING,
    )
    canary = re.compile(rb"canary([0-9]{6})")
    tokens = set()
    for seq in range(1, 10_001):
        mark = f"canary{seq:06}"
        data: dict[str, object] = {"attributes": {"code": mark}, "firstName": mark if seq % 3 else None}
        if seq % 7 == 0:
            data["lastName"] = f"{mark}\n."
        message = wire(plan, data, seq, f"{mark}@clarion.test")
        assert set(canary.findall(message.data)) == {b"%06d" % seq}
        tokens.add(re.findall(rb"/u/([\w-]+)>", message.data)[0])
    assert len(tokens) == 10_000


@pytest.mark.parametrize("value", ["{{7*7}}", "{% for i in range(9) %}x{% endfor %}", "((name))", "{# x #}", "${7*7}"])
def test_t22_a_value_that_looks_like_a_template_stays_what_it_is(value: str) -> None:
    plan = plan_of("<p>{{ contact.firstName }}</p>", subject="{{ contact.firstName }}", text="{{ contact.firstName }}")
    parsed = read(wire(plan, {"firstName": value}).data)
    assert parsed["Subject"] == value
    assert body(parsed, "plain").strip() == value


def test_t23_missing_and_null_print_nothing_and_take_the_default() -> None:
    plan = plan_of(
        "<p>Hello {{ contact.firstName }}{{ contact.attributes.a.b.c }}, {{ contact.lastName | default('friend') }}</p>"
        "{{ contact.attributes.none }}{% for x in contact.attributes.list %}[{{ x }}]{% endfor %}"
    )
    contact: dict[str, object] = {"firstName": None, "lastName": None, "attributes": {"none": None, "list": [1, None]}}
    html = body(read(wire(plan, contact).data), "html")
    assert html.strip() == "<p>Hello , friend</p>[1][]"
    assert "None" not in body(read(wire(plan, {}).data), "html")


def test_t23_a_plan_lists_its_variables_and_the_columns_they_need() -> None:
    plan = plan_of(
        "{% for item in contact.attributes.items %}{{ item.name }}{{ foo.bar }}{% endfor %}{{ contact['language'] }}",
        subject="{{ contact.firstName | default('x') }} {{ account.name }}",
    )
    assert plan.variables == {
        "contact.attributes.items", "contact.language", "contact.firstName", "account.name", "foo.bar"
    }  # fmt: skip
    assert plan.columns == {"attributes", "language", "first_name"}
    assert "contact.firstName" in plan.optional
    assert any("foo.bar" in warning for warning in plan.warnings)


def test_data_that_is_no_plain_data_is_refused_for_that_person() -> None:
    hostiles: tuple[dict[str, object], ...] = ({"firstName": object()}, {"firstName": "\ud800"})
    for hostile in hostiles:
        message = plan_of("{{ contact.firstName }}").render(1, TO, hostile, DATE)
        assert isinstance(message, Refusal)


def test_no_value_can_write_the_separator_of_the_parts() -> None:
    plan = plan_of("<p>{{ contact.firstName }}</p>")
    found = re.search(rb'boundary="([^"]+)"', wire(plan).data)
    assert found
    message = plan.render(1, TO, {"firstName": f"\n--{found[1].decode()}--"}, DATE)
    assert isinstance(message, Refusal)


def test_a_preview_is_what_would_be_sent() -> None:
    plan = plan_of(
        "<p>{{ contact.firstName }}</p>\n", subject="Für {{ contact.firstName }}", from_="Zoë <z@clarion.test>"
    )
    preview = plan.preview(TO, {"firstName": "Ada"}, DATE)
    assert isinstance(preview, Preview)
    parsed = read(wire(plan, {"firstName": "Ada"}).data)
    assert (preview.subject, preview.from_) == (parsed["Subject"], "Zoë <z@clarion.test>")
    assert preview.html == body(parsed, "html").replace("\n", "\r\n")
    assert [name for name, _ in preview.headers] == list(parsed.keys())


_PLANS = [
    plan_of(
        "<p>{{ contact.a }}</p>\n{{ contact.b }}", subject="{{ contact.a }}", text="{{ contact.b }}\n.{{ contact.a }}"
    ),
    plan_of(
        '<a title="{{ contact.a }}" href="{{ contact.b }}">{{ contact.a }}</a>', subject="S", text="x {{ contact.b }}"
    ),
]
_HOSTILE = st.text(alphabet=st.sampled_from(list("\r\n.\0 aZ<>=?{}\"'&%é\u2028\x85\x1e日-")), max_size=30) | st.text(
    max_size=80
)


@given(st.sampled_from(_PLANS), _HOSTILE, _HOSTILE)
@settings(max_examples=1500, deadline=None)
def test_s4_whatever_the_data_says_the_message_parses_back_to_one_recipient(plan: EmailPlan, a: str, b: str) -> None:
    message = plan.render(1, TO, {"a": a, "b": b}, DATE)
    if isinstance(message, Refusal):
        assert UNSENDABLE.search(a + b)
        return
    for data in (message.data, message.seven_bit().data):
        parsed = read(data)
        assert [address.addr_spec for address in parsed["To"].addresses] == [TO]
        assert sorted(parsed.keys()) == sorted(read(wire(plan).data).keys())
        assert not has_long_line(data)
    assert message.seven_bit().data.isascii()


UNSENDABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
