"""Plan an upgrade to the base of this release: at once, or one environment at a time.

records -> old texts from history -> settle base/ -> settle agents/ -> new record
"""

from __future__ import annotations

from dataclasses import replace

from gitops.errors import PlanError
from gitops.layout import BASE_FOLDER, GENERATED_FILE, shipped_tree
from gitops.model import BaseScope, Plan, PlanKind, Provenance, Tree
from gitops.scaffold import read_generated, write_generated
from gitops.upgrade import (
    as_one_base,
    changes_of,
    check_not_older,
    findings_of,
    pristine_texts,
    read_stage,
)
from gitops.workflow.place import Workplace, World
from gitops.workflow.regeneration import Job, Step, after, in_order, written
from gitops.workflow.staging import begin, go_on


def plan_upgrade(
    place: Workplace,
    world: World,
    *,
    release: str,
    staged: bool = False,
    requested_by: str,
    reason: str = "",
    shipped: Tree | None = None,
) -> Plan:
    """Plan the next step of an upgrade; a plan without changes when there is none.

    Args:
        place: for the history, and for merging texts.
        world: the base branch.
        release: of this program.
        staged: put the new base beside the old one, and move environments one by one.
        requested_by: who asks.
        reason: in the asker's words.
        shipped: the tree that has the newer base/; None for this release's.

    Raises:
        PlanError: the repository was not generated, or by a newer release; a staged
            upgrade is under way and this one is not staged; or a file leads several
            environments to base/.
        TreeError: a record that cannot be read, or a symlink among generated files.
        RenderError: staged only: an overlay cannot be followed.
    """
    check_not_older(release, world.tree)
    record = read_generated(world.tree)
    stage = read_stage(world.tree)
    if stage is not None and not staged:
        raise PlanError(
            f"a staged upgrade to {stage.release} is under way",
            hint="finish it with `directus-gitops upgrade --staged`",
        )
    job = Job(
        place=place,
        world=world,
        record=record,
        release=release,
        shipped=shipped if shipped is not None else shipped_tree(),
    )
    if stage is not None:
        step = go_on(job, stage)
    elif staged and job.brings_a_base:
        step = begin(job)
    else:
        step = _at_once(job)
    return Plan(
        kind=PlanKind.UPGRADE,
        scope=BaseScope(),
        changes=step.changes,
        provenance=Provenance(
            requested_by=requested_by, source_commit=world.commit, reason=reason
        ),
        findings=step.findings,
    )


def _at_once(job: Job) -> Step:
    """Bring base/ and agents/ to the release, in one step."""
    base = job.settle_base(BASE_FOLDER)
    bases = as_one_base(after(job.tree, changes_of(job.tree, base)), [BASE_FOLDER])
    results = (*base, *job.settle_agents(bases))
    record = replace(job.record, release=job.release, files=job.recorded(results))
    changes = changes_of(job.tree, results)
    if not changes and (job.is_same_release or record.files == job.record.files):
        return Step()
    kept = job.kept_texts(record.files.values(), pristine_texts(results))
    return Step(
        changes=in_order(
            *changes,
            *kept,
            *written(job.tree, {GENERATED_FILE: write_generated(record)}),
        ),
        findings=findings_of(results),
    )
