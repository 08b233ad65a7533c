"""The documents keep up with the code: what a reader looks up is what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tools.house import forbidden_names, left_over_marks
from tools.links import broken_links
from tools.settings_table import PAGE, table

from clarion.domain.delivery import TRANSITIONS, DeliveryState
from clarion.domain.outcome import Reason

DELIVERY = Path("docs/delivery.md").read_text("utf-8")


def test_every_reason_is_explained_once_and_no_other_is() -> None:
    section = DELIVERY.partition("## Reasons")[2].partition("\n## ")[0]
    explained = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(explained) == sorted(reason.value for reason in Reason)


def test_every_state_is_explained() -> None:
    section = DELIVERY.partition("## States")[2].partition("\n## ")[0]
    explained = {
        word for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for word in re.findall(r"`(\w+)`", row)
    }
    assert explained >= {state.value for state in DeliveryState}


def test_the_picture_shows_exactly_the_transitions_there_are() -> None:
    drawn = set(re.findall(r"^    (\w+) --> (\w+)", DELIVERY, re.MULTILINE))
    assert drawn == {(source.value, target.value) for source, targets in TRANSITIONS.items() for target in targets}


def test_the_readme_lists_the_settings_there_are() -> None:
    assert table() in PAGE.read_text("utf-8"), "run tools/settings_table.py"


def test_a_link_to_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One\n[good](#one) [bad](#two) [gone](gone.md) [web](https://there.example)\n", "utf-8")
    assert len(list(broken_links(page))) == 2


@pytest.mark.parametrize("name", ["src/utils.py", "src/mail/helpers.py", "src/Manager.py", "src/common/__init__.py"])
def test_a_module_named_for_being_useful_is_refused(name: str) -> None:
    assert list(forbidden_names([Path(name)]))


def test_a_left_over_mark_is_found(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(f"a = 1\nb = 2  # {'todo'.upper()} later\n", "utf-8")
    assert [breach.split(":")[1] for breach in left_over_marks([path])] == ["2"]
