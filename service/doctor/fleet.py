"""Each repository: can it be read, is it valid, may we propose, does it go on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, assert_never

from gitops.errors import GitopsError
from gitops.git import use_git
from gitops.overlay import list_targets
from service.clock import Clock
from service.configuration import RepositorySettings
from service.doctor.checks import Check
from service.forges import Forges
from service.origins import (
    EmbeddedOrigin,
    Located,
    RemoteOrigin,
    locate,
    repository_names,
)
from service.repository import branches_of, read_base
from service.settings import Settings
from service.store import LastPass, PassState, Store
from service.store.look import look_at

_QUIET: Final = timedelta(minutes=30)
_AHEAD: Final = timedelta(minutes=1)


def look(settings: Settings, clock: Clock) -> Iterator[Check]:
    """Look at every repository, and at what the store says of it."""
    use_git(settings.search_path)
    names = repository_names(settings)
    if not names:
        yield Check.ok("repositories", "there is none yet; `init` makes one")
    for name in names:
        located = locate(settings, name)
        for what, check in (
            ("base-branch", _base_branch),
            ("branch-prefix", _branches),
            ("forge", _forge),
        ):
            yield _careful(f"{name}/{what}", check, located, settings)
    yield from _stored(settings, clock, names)


def _careful(
    name: str,
    check: Callable[[str, Located, Settings], Check],
    located: Located,
    settings: Settings,
) -> Check:
    """Return a check of a repository; one that is broken must not hide the others."""
    try:
        return check(name, located, settings)
    except GitopsError as error:
        return Check.problem(name, error.message, error.hint)


def _base_branch(name: str, located: Located, settings: Settings) -> Check:
    tree, fleet = read_base(settings, located)
    count = len(list_targets(tree, fleet))
    return Check.ok(
        name, f"{fleet.branch} is readable, gitops.yaml valid; {count} overlays"
    )


def _branches(name: str, located: Located, settings: Settings) -> Check:
    """A branch named as a folder of ours would stand in the way of every proposal."""
    prefix = settings.branch_prefix
    parts = prefix.split("/")
    above = {"/".join(parts[: n + 1]) for n in range(len(parts))}
    known = branches_of(settings, located)
    taken = sorted(above & set(known))
    if taken:
        return Check.problem(
            name,
            f"a branch is named {taken[0]}, so none can be named {prefix}/...",
            "rename that branch, or set DIRECTUS_GITOPS_BRANCH_PREFIX",
        )
    return Check.ok(name, f"{prefix}/ is free for our branches")


def _forge(name: str, located: Located, _settings: Settings) -> Check:
    match located.origin:
        case EmbeddedOrigin(path=path):
            return _embedded(name, path)
        case RemoteOrigin(described=described):
            return _elsewhere(name, described)
        case _:
            assert_never(located.origin)


def _elsewhere(name: str, described: RepositorySettings) -> Check:
    """A real forge is asked who we are, and for the pull requests that are open."""
    with Forges() as forges:
        forge = forges.of(described).forge
        login, shown = forge.account(), forge.list_open()
    return Check.ok(
        name,
        f"{described.forge.value} knows us as {login}; open pull requests: "
        f"{len(shown)}",
    )


def _embedded(name: str, origin: Path) -> Check:
    """The embedded forge merges into files of ours."""
    database = origin.with_suffix(".db")
    closed = [
        path.name
        for path in (origin, origin / "refs", database)
        if path.exists() and not os.access(path, os.W_OK)
    ]
    if closed:
        return Check.problem(
            name,
            f"the embedded forge may not write {', '.join(closed)}",
            "run as the owner of the data folder, and mount it writable",
        )
    return Check.ok(name, "the embedded forge; whoever has the role merges here")


def _stored(
    settings: Settings, clock: Clock, names: tuple[str, ...]
) -> Iterator[Check]:
    """Read what the store says, where its schema is this release's already."""
    found = look_at(settings.database, settings.data, clock)
    if found is None or found.schema != found.wanted or found.refusal:
        return
    with closing(Store(settings.database, settings.data, clock)) as store:
        for name in names:
            if store.holds.is_paused(name):
                yield Check.warning(
                    f"{name}/pause",
                    "the pause switch is on: nothing is written",
                    "`directus-gitops resume` ends it",
                )
            yield _last_pass(f"{name}/last-pass", store.passes.last(name), clock())


def _last_pass(name: str, last: LastPass | None, now: datetime) -> Check:
    serve = "is `directus-gitops serve` running, and does its log say why?"
    if last is None:
        return Check.ok(name, "there was none yet; `serve` makes them")
    if last.at > now + _AHEAD:
        return Check.problem(
            name,
            f"it ended {last.at:%Y-%m-%d %H:%M} UTC, which is yet to come",
            "the clock was, or is, wrong: set it",
        )
    if last.state is PassState.DEGRADED:
        times = f", {last.failures} times in a row" if last.failures > 1 else ""
        return Check.problem(name, f"{last.problem}{times}", serve)
    ended = f"worked {last.at:%Y-%m-%d %H:%M} UTC"
    if now - last.at > _QUIET:
        return Check.warning(name, f"{ended}, none since", serve)
    return Check.ok(name, ended)
