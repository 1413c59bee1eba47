"""docs/rules.md: every rule that a finding can name, with why and what to do."""

from __future__ import annotations

import re
from pathlib import Path

from gitops.model import Severity
from gitops.validate import RULES, rules_page
from tests.support.rules_page import PAGE, made

PACKAGE = Path(__file__).resolve().parent.parent.parent / "gitops"


def test_the_page_is_what_the_rules_say() -> None:
    text = PAGE.read_text()
    assert made(text) == rules_page(), "run `python -m tests.support.rules_page`"


def test_every_rule_has_a_name_a_reason_and_a_remedy() -> None:
    for rule in RULES:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+|[a-z]+", rule.name)
        assert rule.severity in Severity
        assert rule.why.endswith("."), rule.name
        assert rule.fix, rule.name
        assert not rule.fix.endswith("."), rule.name
        assert f"### {rule.name}\n" in PAGE.read_text()


def test_no_two_rules_share_a_name() -> None:
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))


def test_rules_that_other_steps_tell_are_on_the_page_too() -> None:
    """Only those of releases are elsewhere, in a page of their own."""
    text = PAGE.read_text()
    named = {
        name
        for path in PACKAGE.rglob("*.py")
        if path.parent.name not in ("catalogue", "validate")
        for name in re.findall(r'\brule="([a-z-]+)"', path.read_text())
    }
    assert named
    assert [name for name in sorted(named) if f"`{name}`" not in text] == []
