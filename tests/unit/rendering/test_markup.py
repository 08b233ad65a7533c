"""What may be printed where in HTML (T21), and the text part made from it."""

from __future__ import annotations

import pytest
from tests.support.templates import DATE, plan_of

from clarion.domain.errors import Invalid
from clarion.rendering.plan import Preview

V = "{{ contact.attributes.v }}"


def shown(html: str, value: object) -> Preview:
    preview = plan_of(html).preview("ada@clarion.test", {"attributes": {"v": value}}, DATE)
    assert isinstance(preview, Preview)
    return preview


@pytest.mark.parametrize(
    "html",
    [
        f"<a href={V}>",
        f"<p class={V}>",
        f"<p class=a{V}>",
        f"<p {V}>",
        f"<p {V}='a'>",
        f"<{V}>",
        f"</{V}>",
        f"<p{V}>",
        f"<script>{V}</script>",
        f"<style>{V}</style>",
        f"<SCRIPT>var a = '{V}'</SCRIPT>",
        f"<p onclick='{V}'>",
        f'<p ONCLICK = "{V}">',
        f"<iframe srcdoc='{V}'>",
        f"<img srcset='{V} 2x'>",
        f"<meta content='0;url={V}'>",
        f"<a href='java{V}'>",
        f"<a href='javascript:{V}'>",
        "<a href='javascript:alert(1)'>",
        "<a href=javascript:alert(1)>",
        "<a href='javascript:alert(1)//{{ view_url }}'>",
        "<a href=' \tjava\nscript:alert(1)'>",
        "<a href='&#106;avascript:alert(1)'>",
        "<a href='vbscript:x'>",
        "<a href='data:text/html,x'>",
        "<img src='data:image/svg+xml,x'>",
        "<form action='javascript:x'>",
        "<a xlink:href='javascript:x'>",
        f"<a href='https{V}'>",
        "<a href='{% if a %}java{% endif %}script:x'>",
        f"<a href='{{% if a %}}x{{% endif %}}{V}'>",
        f"<a {{% if a %}}title={{% else %}}title='{{% endif %}}{V}'>",
        f"<a title={{% if a %}}'{{% endif %}}{V}'>",
        "{% if a %}<a title='{% endif %}x'>",
        "{% for i in a %}<a '{% endfor %}",
        "{% if a %}<script>{% else %}<b>{% endif %}",
        "<a{% if a %} b='{% endif %}c'>",
        f"<!{V}>",
        "<a <b>",
        "<a =b>",
    ],
)
def test_t21_a_place_that_escaping_cannot_protect_is_refused(html: str) -> None:
    with pytest.raises(Invalid) as refused:
        plan_of(html)
    assert refused.value.problems[0].field == "message.email.html"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "JavaScript:alert(1)", " java\tscript:alert(1)", "\x01javascript:alert(1)", "blob:https://x",
        "vbscript:x", "file:///etc/passwd", "&#106;avascript:alert(1)", "", "www.example.test", "\u200bjavascript:x",
        "intent://x", "https:javascript", "data:text/html,x",
    ],
)  # fmt: skip
def test_t21_a_value_that_starts_a_link_passes_only_with_a_good_scheme(url: str) -> None:
    for name in ("href", "src", "action", "background"):
        preview = shown(f'<a {name}="{V}">x</a>', url)
        assert f'{name}="#"' in preview.html
        assert "script" not in preview.text


@pytest.mark.parametrize(
    "url", ["https://a.test/?a=1&b='2'", "http://a.test", "mailto:a@b.test", "tel:+49", "/p", "#x", "HTTPS://A"]
)
def test_t21_a_good_link_is_kept_and_escaped(url: str) -> None:
    escaped = url.replace("&", "&amp;").replace("'", "&#x27;")
    assert f'href="{escaped}"' in shown(f'<a href="{V}">x</a>', url).html
    assert f"x ({url})" in shown(f'<a href="{V}">x</a>', url).text or url == "#x"


def test_t21_values_in_text_and_quoted_attributes_are_escaped() -> None:
    hostile = "\"><script>alert('1')</script>&"
    html = shown(f"<p title=\"{V}\">{V}</p><p title='{V}'><textarea>{V}</textarea><!-- {V} -->", hostile).html
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 5


@pytest.mark.parametrize(
    "html",
    [
        "<td {% if a %}class='x'{% endif %}>",
        "<a href='{% if a %}https://x.test{% else %}{{ b }}{% endif %}/p'>",
        "<a href='https://x.test/{{ a }}?b={{ c | urlencode }}'>",
        "{% for i in a %}<tr><td>{{ i }}</td></tr>{% endfor %}",
        "<a href=https://x.test/>x</a>",
        "<style>.a{ {% if a %}color:red{% endif %} }</style>",
        "<p style='color:{{ a }}'>",
        "<!--[if mso]><td width='{{ a }}'><![endif]-->",
        "<img src='cid' alt='{{ a }}'>",
        "a < b && c > d",
        "<p/><br/>",
        "<a href='{{ unsubscribe_url }}'>",
        "<option {% if a %}selected{% endif %}>",
        "<!doctype html><?xml version='1.0'?>",
        "<title>{{ a }}</title>",
        "<script>if (1 < 2) { }</script>",
        "{% raw %}{{ not a value }}{% endraw %}",
        "{ {a} }",
    ],
)
def test_honest_html_is_accepted(html: str) -> None:
    plan_of(html)


def test_the_text_part_keeps_values_and_shows_links() -> None:
    html = (
        "<html><head><title>No</title><style>p{}</style></head><body><h1>Hi  {{ contact.attributes.v }}!</h1>\n"
        "<p>One\n two<br>three &amp; four&nbsp;five</p>"
        "<ul>{% for i in contact.attributes.v %}<li>{{ i }}</li>{% endfor %}</ul>"
        '<!-- no --><!--[if mso]>no<![endif]--><a href="https://x.test/?a=1&amp;b=2">there</a> <a href="#top">up</a>'
        '<a href="https://y.test">https://y.test</a><img src="https://z.test/i.png" alt="A picture">'
        "<script>no</script></body></html>"
    )
    text = shown(html, ["<a>", "b"]).text
    assert text == (
        "Hi ['<a>', 'b']!\r\n\r\nOne two\r\nthree & four five\r\n\r\n- <a>\r\n- b\r\n\r\n"
        "there (https://x.test/?a=1&b=2) uphttps://y.testA picture\r\n"
    )


def test_the_text_part_stays_literal_where_html_spells_braces() -> None:
    assert shown("<p>&#123;&#123; contact.attributes.v }}</p>", "secret").text.strip() == "{{ contact.attributes.v }}"
