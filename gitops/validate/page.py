"""docs/rules.md from the rules themselves, so that neither can lack the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from gitops.validate.rule import Rule

MARKER: Final = "<!-- what follows is written by hand -->"

_HEAD: Final = """# Rules

Every finding of `directus-gitops validate` and of a pull request names one of these
rules. An **error** stops a commit: the API server would refuse the object, it could not
work, or a secret would be published. A **warning** works, at a price. An **info** is
told and stops nothing. What was wrong before a change does not stop that change.

This page is made from the rules in `gitops/validate/`; a test compares the two.
"""


def write_page(chapters: Mapping[str, Sequence[Rule]]) -> str:
    """Write the page.

    Args:
        chapters: heading -> rules, in the order of the page.
    """
    rules = [rule for chapter in chapters.values() for rule in chapter]
    rules.sort(key=lambda rule: rule.name)
    lines = [_HEAD, "| rule | severity |", "|---|---|"]
    lines += [f"| [{rule.name}](#{rule.name}) | {rule.severity} |" for rule in rules]
    for heading, chapter in chapters.items():
        lines += ["", f"## {heading}"]
        for rule in chapter:
            lines += ["", f"### {rule.name}", "", f"Severity: {rule.severity}.", ""]
            lines += [f"Why: {rule.why}", "", f"Fix: {rule.fix}."]
    return "\n".join([*lines, "", MARKER, ""])
