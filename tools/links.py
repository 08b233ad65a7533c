"""Checks that every relative link in the Markdown files leads to a file, and every #anchor to a heading.

Never goes to the network: links to the web are the reader's to follow.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+?) *#*$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors of a file's headings, as code hosts write them."""
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(FENCE.sub("", text)))
    return {heading.replace(" ", "-") for heading in kept}


def broken_links(page: Path) -> Iterator[str]:
    """Each link of a page that leads nowhere."""
    text = page.read_text(encoding="utf-8")
    for link in LINK.findall(FENCE.sub("", text)):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        if not target.exists():
            yield f"{page}: {link} leads nowhere"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target.read_text(encoding="utf-8")):
            yield f"{page}: {link}: there is no such heading"


def main() -> int:
    """Prints each broken link; returns how many there are."""
    pages = [*sorted(Path().glob("*.md")), *sorted(Path("docs").rglob("*.md"))]
    broken = [line for page in pages for line in broken_links(page)]
    print(f"links: {len(pages)} pages, {len(broken)} broken links")
    print(*broken, sep="\n", file=sys.stderr, end="\n" if broken else "")
    return len(broken)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
