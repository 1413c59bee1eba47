"""What a reviewer must know of a step between two releases, as findings. Pure.

Every rule named here is a row of docs/directus-versions.md. None is an error: a risk
informs a person, who decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from gitops.catalogue.facts import (
    is_known,
    licence_of,
    migrations_between,
    newest_version,
)
from gitops.catalogue.rows import BOOTSTRAP_RACE, BREAKS, release_page
from gitops.model import Finding, Severity
from gitops.versions import HARDENED, Step, Version, parse_tag, step, version_of

_NAMES_SHOWN: Final = 8


def risks(before: str, after: str, *, path: str = "") -> tuple[Finding, ...]:
    """Return what is known of a step, in a fixed order.

    Args:
        before: the tag that runs.
        after: the tag that is wanted.
        path: the file or overlay that the findings are about.

    Returns:
        WARNING and INFO findings only; none when both tags are the same.
    """
    if before == after:
        return ()
    old, new = version_of(before), version_of(after)
    if old is None or new is None:
        found = [
            _warning(
                "unknown-version",
                f"{before} -> {after}: a tag that is no full version may name any "
                "release, so nothing is known of this step",
                "pin a full version",
            )
        ]
    else:
        found = [
            *_of_step(old, new),
            *_of_licence(old, new),
            *_of_migrations(old, new),
            *_of_breaks(old, new),
            *_of_image(old, new),
            *_of_knowledge(new),
        ]
    return tuple(replace(finding, path=path) for finding in found)


def _warning(rule: str, message: str, hint: str = "") -> Finding:
    return Finding(
        rule=rule, severity=Severity.WARNING, path="", message=message, hint=hint
    )


def _info(rule: str, message: str, hint: str = "") -> Finding:
    return Finding(
        rule=rule, severity=Severity.INFO, path="", message=message, hint=hint
    )


def _of_step(old: Version, new: Version) -> Iterator[Finding]:
    taken = step(old.tag, new.tag)
    if taken is Step.MAJOR:
        yield _warning(
            "major-step",
            f"{old} -> {new}: from major {old.major} to {new.major}",
            "check probes, IP_TRUST_PROXY, the licence key, a database backup and "
            f"the host range of extensions; see {release_page(new.release)}",
        )
    elif taken is Step.DOWNGRADE:
        yield _warning(
            "downgrade",
            f"{old} -> {new}: an older release on the database of a newer one",
            "an image that goes back does not take its database back",
        )


def _of_licence(old: Version, new: Version) -> Iterator[Finding]:
    left, entered = licence_of(old), licence_of(new)
    if left and entered and left != entered:
        yield _warning(
            "licence-change",
            f"licence {left.name} -> {entered.name}: {entered.meaning}",
            f"see {entered.source}",
        )


def _of_migrations(old: Version, new: Version) -> Iterator[Finding]:
    if old.core == new.core:
        return
    up = old.core < new.core
    crossed = migrations_between(*((old, new) if up else (new, old)))
    if crossed.is_complete and not crossed.names:
        yield _info("migration", f"{old} -> {new}: no database migration in between")
        return
    listed = _listed(crossed.names)
    if up:
        yield _warning(
            "migration",
            f"{old} -> {new}: {crossed.count} migrations run on the database{listed}",
            "back up the database first; only one container may migrate at a time "
            f"({BOOTSTRAP_RACE})",
        )
    else:
        yield _warning(
            "migration",
            f"{old} -> {new}: {crossed.count} migrations stay in the database{listed}",
            "the older release does not know them; be ready to restore the backup",
        )


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - _NAMES_SHOWN
    shown = ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return f": {shown}" if names else ""


def _of_breaks(old: Version, new: Version) -> Iterator[Finding]:
    for row in BREAKS:
        if old.core < parse_tag(row.since).core <= new.core:
            yield Finding(
                rule=row.rule,
                severity=row.severity,
                path="",
                message=f"since {row.since}: {row.message}",
                hint=f"{row.hint}; see {row.source}",
            )


def _of_image(old: Version, new: Version) -> Iterator[Finding]:
    if old.variant != new.variant:
        hardened = new.variant == HARDENED
        yield _warning(
            "image-variant",
            f"{old} -> {new}: the image "
            + ("is distroless, without a shell" if hardened else "has a shell again"),
            "check probes, hooks and jobs that run a shell" if hardened else "",
        )
    if old.build and not new.build:
        yield _warning(
            "build-suffix",
            f"{old} -> {new}: the suffix {old.build} of an own build is gone",
            "check that the stack's image has such a tag",
        )
    if new.is_prerelease:
        yield _warning(
            "pre-release",
            f"{new} is a pre-release of {new.release}",
            "keep it away from data that matters",
        )


def _of_knowledge(new: Version) -> Iterator[Finding]:
    if is_known(new.tag):
        return
    newest = newest_version()
    read = f"read {release_page(new.release)}"
    if new.core > parse_tag(newest).core:
        yield _warning(
            "unknown-version",
            f"{new} is newer than the catalogue, which ends at {newest}: what it "
            "changes is not known here",
            read,
        )
    else:
        yield _info(
            "unknown-version",
            f"{new} is not in the catalogue; it is judged by its neighbours",
            read,
        )
