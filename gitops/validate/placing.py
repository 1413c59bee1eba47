"""From a breach inside an object to a finding with file, line and words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from gitops.errors import YamlError
from gitops.model import Finding, Severity
from gitops.schemas import Place, dotted
from gitops.validate.rule import Item, Problem, Rule, shown
from gitops.yamltext import Position, positions

_END = re.compile(rb"^(?:---|\.\.\.)(?:\s|\Z)", re.MULTILINE)
_ORDER: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


def findings_of(problems: Iterable[Problem]) -> tuple[Finding, ...]:
    """Place every problem; equal ones are told once.

    Returns:
        Sorted by path, line, severity, rule and message, so that the same set gives
        the same order.
    """
    documents: dict[tuple[str, int], Mapping[Place, Position]] = {}
    found: set[Finding] = set()
    for problem in problems:
        item = problem.item
        key = (item.path, item.document)
        if key not in documents:
            documents[key] = _positions(item)
        found.add(_finding(problem, _line(problem, documents[key])))
    return ordered(found)


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings as people read them: by file, by line, the worst first."""
    return tuple(
        sorted(
            findings,
            key=lambda f: (f.path, f.line, _ORDER[f.severity], f.rule, f.message),
        )
    )


def finding(rule: Rule, path: str, line: int, message: str, hint: str = "") -> Finding:
    """Make a finding of a rule; its own fix is the hint unless there is a better."""
    return Finding(
        rule=rule.name,
        severity=rule.severity,
        path=path,
        line=line,
        message=message,
        hint=hint or rule.fix,
    )


def _finding(problem: Problem, line: int) -> Finding:
    item = problem.item
    place = ": ".join(part for part in (item.title, shown(dotted(problem.at))) if part)
    message = f"{place}: {problem.message}"
    return finding(problem.rule, item.path, line, message, problem.hint)


def _line(problem: Problem, known: Mapping[Place, Position]) -> int:
    """Return the line of the field, or of the nearest one above it that exists."""
    item = problem.item
    place = (*item.prefix, *problem.at)
    for end in range(len(place), 0, -1):
        found = known.get(place[:end])
        if found is not None:
            return item.document + found[0] - 1
    return item.manifest.line


def _positions(item: Item) -> Mapping[Place, Position]:
    """Find the places of one document; none when it cannot be read alone."""
    if item.document < 1:
        return {}
    start = 0
    for _ in range(item.document - 1):
        start = item.text.find(b"\n", start) + 1
        if start == 0:
            return {}
    after_first = item.text.find(b"\n", start)
    end = _END.search(item.text, after_first + 1) if after_first >= 0 else None
    try:
        return positions(item.text[start : end.start() if end else None], item.path)
    except YamlError:
        return {}
