"""Write docs/rules.md: `python -m tests.support.rules_page`.

A test compares the file with the rules, so none can be missing. What is written by
hand below the marker stays.
"""

from __future__ import annotations

from pathlib import Path

from gitops.validate import rules_page

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "rules.md"


def made(text: str) -> str:
    """Return the part of the page that is made from the rules."""
    return text[: len(text) - len(by_hand(text))]


def by_hand(text: str) -> str:
    """Return the part of the page that people write."""
    marker = rules_page().splitlines()[-1]
    return text.partition(f"{marker}\n")[2]


def main() -> None:
    """Write the page."""
    PAGE.write_text(rules_page() + by_hand(PAGE.read_text()))


if __name__ == "__main__":
    main()
