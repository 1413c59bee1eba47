"""The documentation is held to the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.reference import cli_reference, settings_reference

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_the_command_line_page_is_what_the_code_says() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    assert page == cli_reference(), "run python -m tests.support.reference"


def test_the_settings_page_is_what_the_code_says() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    assert page == settings_reference(), "run python -m tests.support.reference"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if "://" not in link and not link.startswith("mailto:"):
            assert (page.parent / link).exists(), link


def test_every_room_of_the_library_is_on_the_architecture_page() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    for package in ("gitops", "service"):
        rooms = {
            path.stem
            for path in (ROOT / package).iterdir()
            if (path.suffix == ".py" or (path / "__init__.py").exists())
            and path.stem != "__init__"
        }
        missing = {room for room in rooms if f"`{room}`" not in page}
        assert not missing, f"{package}: {sorted(missing)}"


def test_the_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(p.name[:4]) for p in sorted((ROOT / "docs/decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
