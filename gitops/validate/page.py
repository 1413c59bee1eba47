"""docs/rules.md from the rules themselves, so that neither can lack the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitops.validate.rule import Rule

_HEAD = """# Rules

Every finding of `directus-gitops validate`, and of each pull request, names one of
these rules. An **error** stops a commit: the API server would refuse the object, it
could not work, or a secret would be published. A **warning** works, with a price. An
**info** is told once and stops nothing. A finding that was there before a change never
stops that change.

This page is made from the rules in `gitops/validate/`; a test compares the two.
"""


def rules_page(chapters: Mapping[str, Sequence[Rule]]) -> str:
    """Write the page.

    Args:
        chapters: heading -> rules, in the order of the page.
    """
    lines = [_HEAD, "| rule | severity |", "|---|---|"]
    every = sorted(
        (r for rules in chapters.values() for r in rules), key=lambda r: r.name
    )
    lines += [f"| [{r.name}](#{r.name}) | {r.severity} |" for r in every]
    for chapter, rules in chapters.items():
        lines += ["", f"## {chapter}"]
        for rule in rules:
            lines += ["", f"### {rule.name}", "", f"{rule.severity}", ""]
            lines += [f"Why: {rule.why}", "", f"Fix: {rule.fix}."]
    return "\n".join(lines) + "\n"
