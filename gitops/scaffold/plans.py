"""PLAN a repository, one more stack, one more environment. Pure.

Promise: the plan of a new repository has every file, base/ byte for byte; the plan of
an addition leaves every other overlay alone, and no hand edit is lost: a file that
cannot take both is left as it is, with a finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gitops.catalogue import newest_version
from gitops.errors import InputError, PlanError
from gitops.fleet import read_fleet
from gitops.layout import (
    AGENTS_FOLDER,
    BASE_FOLDER,
    DEFAULT_OVERLAY_PATTERN,
    FLEET_FILE,
    GENERATED_FILE,
    overlay_path,
    shipped_tree,
)
from gitops.model import (
    BaseScope,
    Environment,
    EnvironmentName,
    EnvironmentScope,
    Finding,
    Fleet,
    Plan,
    PlanKind,
    Provenance,
    Revision,
    Severity,
    StackName,
    StackScope,
    Target,
    Tree,
    WriteFile,
    blob_id,
)
from gitops.overlay import list_targets, read_overlay
from gitops.scaffold.agents import agent_files
from gitops.scaffold.fleetfile import fleet_text, with_environment
from gitops.scaffold.generated import read_generated, record_of, write_generated
from gitops.scaffold.linemerge import merged
from gitops.scaffold.options import Choices, Options, check_places
from gitops.scaffold.overlays import BASE_IMAGE, components_of, overlay_files
from gitops.scaffold.readme import README_FILE, readme_text
from gitops.scaffold.secrets import secret_parts
from gitops.versions import parse_reference


def plan_init(
    options: Options,
    *,
    requested_by: str,
    release: str,
    shipped: Tree | None = None,
) -> Plan:
    """Plan a new repository.

    Args:
        options: see Options.
        requested_by: who asks.
        release: the version of this program.
        shipped: the tree that has base/; None for the one of this release.

    Raises:
        InputError: names that Kubernetes or the agents would refuse.
        TreeError: the installation is broken.
    """
    base = shipped if shipped is not None else shipped_tree()
    version, digest = parse_reference(options.directus_version)
    revision = Revision(image=BASE_IMAGE, tag=version.tag, digest=digest)
    environments = _chain(options.environments)
    fleet = fleet_text(environments, branch=options.branch, image=BASE_IMAGE)
    files = {path: base.read(path) for path in base.paths_under(BASE_FOLDER)}
    files[FLEET_FILE] = fleet
    files[README_FILE] = readme_text(options)
    for target in options.targets:
        folder = overlay_path(DEFAULT_OVERLAY_PATTERN, target)
        files |= overlay_files(options, target, folder=folder, revision=revision)
    files |= _agent_files(base, read_fleet(fleet), options, options.targets)
    record = record_of(release, options.choices, files)
    files[GENERATED_FILE] = write_generated(record)
    return Plan(
        kind=PlanKind.INIT,
        scope=BaseScope(),
        changes=_written(files),
        provenance=Provenance(requested_by=requested_by),
    )


def plan_add_stack(
    tree: Tree,
    fleet: Fleet,
    name: StackName,
    *,
    directus_version: str = "",
    requested_by: str,
    reason: str = "",
) -> Plan:
    """Plan an overlay of a stack in every environment that has none of it.

    Args:
        tree: the repository, made by plan_init.
        fleet: its gitops.yaml.
        name: of the stack.
        directus_version: empty for the newest one of the catalogue.
        requested_by: who asks.
        reason: in the asker's words.

    Raises:
        InputError: the stack is everywhere, a version that names no release, or a
            namespace or host that is taken or too long.
        PlanError: the repository was not generated, or its base/ is too old.
    """
    choices = _choices_of(tree)
    version, digest = parse_reference(directus_version or newest_version())
    revision = Revision(image=fleet.image_of(name), tag=version.tag, digest=digest)
    targets = list_targets(tree, fleet)
    wanted = [Target(stack=name, environment=e.name) for e in fleet.environments]
    added = [target for target in wanted if target not in targets]
    if not added:
        raise InputError(
            f"stack {name} exists already, in every environment",
            hint="change its version with bump, its configuration with set",
        )
    files = _overlays(tree, fleet, choices, dict.fromkeys(added, revision))
    wiring, findings = _rewired(tree, fleet, fleet, choices, targets, added)
    record = _recorded(tree, wiring.generated)
    return Plan(
        kind=PlanKind.ADD_STACK,
        scope=StackScope(stack=name),
        changes=_written(files | wiring.files | record, over=tree),
        provenance=Provenance(
            requested_by=requested_by, source_commit=tree.commit, reason=reason
        ),
        findings=findings,
    )


def plan_add_environment(
    tree: Tree,
    fleet: Fleet,
    name: EnvironmentName,
    *,
    after: EnvironmentName | None = None,
    directus_version: str = "",
    requested_by: str,
    reason: str = "",
) -> Plan:
    """Plan an overlay of every stack in a new environment, and its entry.

    Args:
        tree: the repository, made by plan_init.
        fleet: its gitops.yaml.
        name: of the environment.
        after: the one that it follows, whose revisions it starts with.
        directus_version: for stacks that are not there; empty for the newest one.
        requested_by: who asks.
        reason: in the asker's words.

    Raises:
        InputError: the environment exists, or a namespace or host is taken or too long.
        UnknownNameError: there is no environment to follow.
        PlanError: the repository was not generated, its base/ is too old, or
            gitops.yaml cannot take another line.
    """
    choices = _choices_of(tree)
    added = Environment(name=name, after=() if after is None else (after,))
    text = with_environment(tree.read(FLEET_FILE), fleet, added)
    fuller = read_fleet(text)
    version, digest = parse_reference(directus_version or newest_version())
    targets = list_targets(tree, fleet)
    revisions = {
        Target(stack=stack, environment=name): _start(
            tree,
            fleet,
            targets,
            source=None if after is None else Target(stack=stack, environment=after),
            otherwise=Revision(
                image=fleet.image_of(stack), tag=version.tag, digest=digest
            ),
        )
        for stack in sorted({target.stack for target in targets})
    }
    files = _overlays(tree, fuller, choices, revisions)
    wiring, findings = _rewired(tree, fleet, fuller, choices, targets, list(revisions))
    record = _recorded(tree, wiring.generated)
    return Plan(
        kind=PlanKind.ADD_ENVIRONMENT,
        scope=EnvironmentScope(environment=name),
        changes=_written({FLEET_FILE: text} | files | wiring.files | record, over=tree),
        provenance=Provenance(
            requested_by=requested_by,
            source_environment=after,
            source_commit=tree.commit,
            reason=reason,
        ),
        findings=findings,
    )


def _chain(names: Sequence[EnvironmentName]) -> tuple[Environment, ...]:
    """Let each environment follow the one before it."""
    before = (None, *names[:-1])
    return tuple(
        Environment(name=name, after=() if last is None else (last,))
        for last, name in zip(before, names, strict=True)
    )


def _written(
    files: Mapping[str, bytes], *, over: Tree | None = None
) -> tuple[WriteFile, ...]:
    """Want these files; those made from a file of the tree give way to later edits."""
    entries = {} if over is None else over.entries
    return tuple(
        WriteFile(
            path=path,
            content=files[path],
            replaces=entries[path].blob if path in entries else None,
        )
        for path in sorted(files)
    )


def _start(
    tree: Tree,
    fleet: Fleet,
    targets: Sequence[Target],
    *,
    source: Target | None,
    otherwise: Revision,
) -> Revision:
    """Return the revision that a stack starts with in a new environment."""
    if source is None or source not in targets:
        return otherwise
    return read_overlay(tree, fleet, source).revision


def _choices_of(tree: Tree) -> Choices:
    """Return how the repository was made, if its base/ can still serve that.

    Raises:
        PlanError: no record, or a component of ours is missing.
    """
    choices = read_generated(tree).choices
    place = Target(stack=StackName("s"), environment=EnvironmentName("e"))
    secrets = secret_parts(choices.secrets, place).components
    for name in (*components_of(choices), *secrets):
        path = f"{BASE_FOLDER}/components/{name}/kustomization.yaml"
        if path not in tree:
            raise PlanError(
                f"{path} is not there, which a new overlay would use",
                hint="restore it, or bring base/ up to date: directus-gitops upgrade",
            )
    return choices


def _overlays(
    tree: Tree, fleet: Fleet, choices: Choices, revisions: Mapping[Target, Revision]
) -> dict[str, bytes]:
    """Write the overlays to come.

    Raises:
        InputError: a namespace or host is taken or too long.
        PlanError: there is a file already where one would be written.
    """
    check_places(choices, (*list_targets(tree, fleet), *revisions))
    files: dict[str, bytes] = {}
    for target, revision in revisions.items():
        folder = overlay_path(fleet.overlay_pattern, target)
        files |= overlay_files(choices, target, folder=folder, revision=revision)
    for path in files:
        if path in tree:
            raise PlanError(f"{path}: there is a file already", hint="remove it first")
    return files


def _recorded(tree: Tree, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Take agents' files into the record, so that an upgrade has their ancestors.

    Overlays are nobody's but their owner's from the first day on; an upgrade does not
    touch them, so they are not listed.
    """
    if not files:
        return {}
    record = read_generated(tree)
    blobs = {path: blob_id(text) for path, text in files.items()}
    fuller = replace(record, files={**record.files, **blobs})
    return {GENERATED_FILE: write_generated(fuller)}


# --- agents ---


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wiring:
    """The agents' files.

    Attributes:
        files: as they are to be written, with hand edits.
        generated: those of them without any, which alone can be merged from later.
    """

    files: dict[str, bytes]
    generated: dict[str, bytes]


def _agent_files(
    base: Tree, fleet: Fleet, choices: Choices, targets: Sequence[Target]
) -> dict[str, bytes]:
    return agent_files(
        base,
        environments=[environment.name for environment in fleet.environments],
        stacks=(),
        agent=choices.agent,
        secrets=choices.secrets,
        repository_url=choices.repository_url,
        branch=fleet.branch,
        overlay_pattern=fleet.overlay_pattern,
        targets=targets,
    )


def _rewired(
    tree: Tree,
    fleet: Fleet,
    fuller: Fleet,
    choices: Choices,
    targets: Sequence[Target],
    added: Sequence[Target],
) -> tuple[_Wiring, tuple[Finding, ...]]:
    """Bring the agents' files up to date, with the hand edits that are in them.

    An agent whose folder is gone was taken out on purpose, and stays out.
    """
    old = _agent_files(tree, fleet, choices, targets)
    new = _agent_files(tree, fuller, choices, (*targets, *added))
    kept = {_agent_folder(path) for path in old if path in tree}
    files: dict[str, bytes] = {}
    findings: list[Finding] = []
    for path, before, after in _changed(old, new):
        if _agent_folder(path) not in kept:
            continue
        here = tree.read(path) if path in tree else b""
        result = merged(before, here, after)
        if result is None:
            findings.append(_left_alone(path))
        else:
            files[path] = result
    generated = {path: text for path, text in files.items() if text == new[path]}
    return _Wiring(files=files, generated=generated), tuple(findings)


def _changed(
    old: Mapping[str, bytes], new: Mapping[str, bytes]
) -> Iterator[tuple[str, bytes, bytes]]:
    """Yield path, text before ("" when new) and text after, where they differ."""
    for path, after in new.items():
        before = old.get(path, b"")
        if before != after:
            yield path, before, after


def _agent_folder(path: str) -> str:
    """Return agents/<agent> of a file below it."""
    return "/".join(path.split("/")[: len(AGENTS_FOLDER.split("/")) + 1])


def _left_alone(path: str) -> Finding:
    return Finding(
        rule="hand-edited",
        severity=Severity.WARNING,
        path=path,
        message="was edited by hand where the new overlays belong: left as it is",
        hint="add them here as their neighbours are written",
    )
