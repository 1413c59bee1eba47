"""What service.toml names: repositories, health sources, sinks; is each in order.

Health sources are asked, for one stack of each environment. Nothing is posted to a
sink: only its address and its secret are looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gitops.errors import GitopsError, InputError
from gitops.git import use_git
from gitops.model import EnvironmentName, Health, Overlay, Sighting
from gitops.overlay import list_targets, read_overlay
from gitops.web import Web, place_of
from service.clock import Clock
from service.configuration import HealthSource, Sink
from service.doctor.checks import Check
from service.observe import probe
from service.origins import locate, repository_names
from service.repository import read_base
from service.settings import Settings

_HINT: Final = (
    "is its address right, does its credential hold, and do the repository's networks "
    "allow it? see docs/health.md"
)


def described(settings: Settings, _clock: Clock) -> Iterator[Check]:
    """Read what the operator says of repositories and sinks."""
    repositories, sinks = settings.repositories, settings.sinks
    known = repository_names(settings)
    yield Check.ok(
        "service.toml", f"repositories: {len(repositories)}, sinks: {len(sinks)}"
    )
    for repository in repositories:
        name = f"{repository.name}/described"
        if repository.name not in known:
            yield Check.warning(
                name,
                "the embedded forge has no repository of that name",
                f"known: {', '.join(known) or 'none'}; `init` makes one",
            )
    for sink in sinks:
        yield _sink(sink)


def _sink(sink: Sink) -> Check:
    name = f"notify/{sink.name}"
    try:
        place = place_of(sink.url.reveal().get_secret_value())
        if sink.secret is not None:
            sink.secret.reveal()
    except InputError as error:
        return Check.problem(name, error.message, error.hint or "see docs/settings.md")
    return Check.ok(name, f"{sink.kind.value} at {place.host}; nothing was posted")


def health(settings: Settings, _clock: Clock) -> Iterator[Check]:
    """Ask each health source about one stack of each environment."""
    try:
        described_ones = [one for one in settings.repositories if one.health]
    except InputError:
        return  # told above
    if not described_ones:
        return
    use_git(settings.search_path)
    with Web() as web:
        for repository in described_ones:
            if repository.name not in repository_names(settings):
                continue  # told above
            try:
                overlays = _one_of_each(settings, repository.name)
            except GitopsError:
                continue  # its base branch is a check of its own
            for source in repository.health:
                name = f"{repository.name}/health/{source.name}"
                yield _asked(name, source, overlays, web)


def _one_of_each(settings: Settings, name: str) -> tuple[Overlay, ...]:
    tree, fleet = read_base(settings, locate(settings, name))
    first: dict[EnvironmentName, Overlay] = {}
    for target in list_targets(tree, fleet):
        if target.environment not in first:
            first[target.environment] = read_overlay(tree, fleet, target)
    return tuple(first.values())


def _asked(
    name: str, source: HealthSource, overlays: Sequence[Overlay], web: Web
) -> Check:
    said = [(overlay, probe(source, overlay, web)) for overlay in overlays]
    silent = [
        (overlay, sighting)
        for overlay, sighting in said
        if sighting.health is Health.UNKNOWN
    ]
    if not silent:
        return Check.ok(name, "; ".join(_told(o, s) for o, s in said) or "no stacks")
    words = "; ".join(_told(o, s) for o, s in silent)
    if len(silent) == len(said):
        return Check.problem(name, words, _HINT)
    return Check.warning(name, words, _HINT)


def _told(overlay: Overlay, sighting: Sighting) -> str:
    detail = f" ({sighting.detail})" if sighting.detail else ""
    return f"{overlay.target}: {sighting.health.value}{detail}"
