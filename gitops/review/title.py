"""TELL, the one line that names a change: fixed form, always the same for the same.

`<stack>/<environment>: bump Directus 12.3.0 -> 12.4.1`. Joined intents are all named,
the newest value of each scalar wins. It shortens to the limit, and never fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, assert_never

from gitops.layout import GENERATED_FILE
from gitops.model import (
    BaseScope,
    Difference,
    EnvironmentScope,
    GroupScope,
    Plan,
    PlanKind,
    Scope,
    SetConfig,
    SetImage,
    SetRevision,
    StackScope,
    Target,
    TargetScope,
    UnsetConfig,
    WriteFile,
)
from gitops.review.text import cut, title_part

_KEYS_NAMED: Final = 6
_STAGED_STEP: Final = "upgrade-staged"


def title_of(
    plans: Sequence[Plan], differences: Sequence[Difference], *, limit: int
) -> str:
    """Name what the plans want together.

    Args:
        plans: the live plans of one pull request, oldest first; at least one.
        differences: what they change in files; says from which version.
        limit: characters that the title may have.
    """
    text = _title(plans, differences, _KEYS_NAMED)
    if len(text) > limit:
        text = cut(_title(plans, differences, 0), limit)
    return text


def revisions_by_target(plans: Sequence[Plan]) -> dict[Target, tuple[Plan, str]]:
    """Return the tag each target ends with, and the newest plan that says so."""
    found: dict[Target, tuple[Plan, str]] = {}
    for plan in plans:
        for change in plan.changes:
            if isinstance(change, SetRevision):
                found[change.target] = (plan, change.revision.tag)
    return found


def _title(
    plans: Sequence[Plan], differences: Sequence[Difference], keys_named: int
) -> str:
    phrases = dict.fromkeys(_phrases(plans, differences, keys_named))
    return f"{_place(plans[-1].scope)}: {'; '.join(phrases) or 'no change'}"


def _place(scope: Scope) -> str:
    match scope:
        case TargetScope(target=target):
            return f"{title_part(target.stack)}/{title_part(target.environment)}"
        case GroupScope(environment=environment):
            return title_part(environment)
        case StackScope(stack=stack):
            return title_part(stack)
        case EnvironmentScope(environment=environment):
            return title_part(environment)
        case BaseScope():
            return "base"
        case _:
            assert_never(scope)


def _phrases(
    plans: Sequence[Plan], differences: Sequence[Difference], keys_named: int
) -> Iterator[str]:
    for plan in plans:
        whole = _whole(plan)
        if whole:
            yield whole
    scope = plans[-1].scope
    if isinstance(scope, TargetScope | GroupScope):
        yield from _revision_phrases(plans, differences, isinstance(scope, GroupScope))
        yield from _image_phrases(plans, keys_named)
        yield from _config_phrases(plans, keys_named)


def _whole(plan: Plan) -> str:
    """Name a plan that is about files; empty for the others."""
    match plan.kind:
        case PlanKind.INIT:
            return "generate the repository"
        case PlanKind.ADD_STACK:
            return "add stack"
        case PlanKind.ADD_ENVIRONMENT:
            return "add environment"
        case PlanKind.UPGRADE:
            release = _release(plan)
            whole = f"upgrade to directus-gitops {release}" if release else "upgrade"
            return _staged(plan) or whole
        case PlanKind.SECRETS:
            return "seal secrets"
        case PlanKind.BUMP | PlanKind.PROMOTE | PlanKind.SET | PlanKind.ROLLBACK:
            return ""
        case _:
            assert_never(plan.kind)


def _staged(plan: Plan) -> str:
    """Return which step of a staged upgrade it is, in its own words; else nothing."""
    told = (f.message for f in plan.findings if f.rule == _STAGED_STEP)
    return title_part(next(told, ""))


def _release(plan: Plan) -> str:
    """Return the release that an upgrade's own record of files names."""
    for change in plan.changes:
        if isinstance(change, WriteFile) and change.path == GENERATED_FILE:
            try:
                record = json.loads(change.content)
            except ValueError:
                return ""
            found = record.get("release") if isinstance(record, Mapping) else None
            return title_part(found) if isinstance(found, str) else ""
    return ""


def _revision_phrases(
    plans: Sequence[Plan], differences: Sequence[Difference], is_group: bool
) -> Iterator[str]:
    wanted = revisions_by_target(plans)
    by_words: dict[tuple[PlanKind, str, str], int] = {}
    for plan, tag in wanted.values():
        source = plan.provenance.source_environment or ""
        words = (plan.kind, tag, source)
        by_words[words] = by_words.get(words, 0) + 1
    for (kind, tag, source), count in by_words.items():
        before = "" if is_group else _before(tag, differences)
        noun = "stack" if count == 1 else "stacks"
        where = f" in {count} {noun}" if is_group else ""
        yield _revision(kind, before, title_part(tag), source) + where


def _revision(kind: PlanKind, before: str, tag: str, source: str) -> str:
    if kind is PlanKind.PROMOTE:
        return f"promote {tag}" + (f" from {title_part(source)}" if source else "")
    verb = "roll back" if kind is PlanKind.ROLLBACK else "bump"
    if before == tag:
        return f"{verb} Directus {tag} to another image"
    return f"{verb} Directus " + (f"{before} -> {tag}" if before else f"to {tag}")


def _before(tag: str, differences: Sequence[Difference]) -> str:
    """Return the tag that gives way to this one; empty when no file says."""
    fields = [item for item in differences if item.field.endswith("newTag")]
    for item in fields:
        if item.after == tag and item.before is not None:
            return title_part(item.before)
    others = any(item.field.endswith("digest") for item in differences)
    return title_part(tag) if others and not fields else ""


def _image_phrases(plans: Sequence[Plan], images_named: int) -> Iterator[str]:
    """Name the other images that travel, by the last part of their name."""
    newest = {
        (change.target, change.name): change.revision.tag
        for plan in plans
        for change in plan.changes
        if isinstance(change, SetImage)
    }
    wanted = {(name.rpartition("/")[2], tag) for (_, name), tag in newest.items()}
    if len(wanted) > images_named:
        yield f"carry {len(wanted)} images"
    elif wanted:
        told = (f"{title_part(name)} {title_part(tag)}" for name, tag in sorted(wanted))
        yield f"carry {', '.join(told)}"


def _config_phrases(plans: Sequence[Plan], keys_named: int) -> Iterator[str]:
    wanted: dict[str, str] = {}
    for plan in plans:
        for change in plan.changes:
            if isinstance(change, SetConfig | UnsetConfig):
                wanted[change.key] = _verb(plan.kind, change)
    for verb in ("set", "unset", "carry"):
        keys = sorted(key for key, said in wanted.items() if said == verb)
        if not keys:
            continue
        if len(keys) > keys_named:
            yield f"{verb} {len(keys)} key" + ("s" if len(keys) > 1 else "")
        else:
            yield f"{verb} {', '.join(title_part(key) for key in keys)}"


def _verb(kind: PlanKind, change: SetConfig | UnsetConfig) -> str:
    if kind is PlanKind.PROMOTE:
        return "carry"
    return "set" if isinstance(change, SetConfig) else "unset"
