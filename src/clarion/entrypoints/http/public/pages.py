"""The plain pages recipients see: no scripts, everything escaped, readable on a phone and in the dark.

Owns their look and their security policy, never what they say. Read `unsubscribe` for their use.
"""

from __future__ import annotations

from html import escape
from typing import Final

from litestar import Response

HTML: Final = "text/html"
_STYLE: Final = (
    "body{margin:0;font:1.125rem/1.5 system-ui,sans-serif;color:#1c2430;background:#f5f6f8}"
    "main{box-sizing:border-box;width:calc(100% - 2rem);max-width:30rem;margin:12vh auto;padding:2rem}"
    "main{background:#fff;border-radius:.75rem}"
    "h1{margin-top:0;font-size:1.5rem}"
    "button{font:inherit;padding:.75rem 1.5rem;border:0;border-radius:.5rem;color:#fff;background:#1f4fd8}"
    "button:focus-visible{outline:3px solid #f0a500;outline-offset:2px}"
    "@media (prefers-color-scheme:dark){body{color:#e6e9ef;background:#12161d}main{background:#1c2430}}"
)
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def page(title: str, text: str, *, extra: str = "", status: int = 200) -> Response[str]:
    """One page. `title` and `text` are escaped here, `extra` is HTML already."""
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1><p>{escape(text)}</p>{extra}</main></body></html>"
    )
    return Response(html, status_code=status, media_type=HTML, headers={"Content-Security-Policy": _POLICY})


def broken_link() -> Response[str]:
    """What a link that is not ours, or no longer leads anywhere, shows."""
    text = "Please use the link exactly as it stands in the message, or answer the message to its sender."
    return page("This link does not work", text, status=404)
