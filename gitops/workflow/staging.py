"""A staged upgrade: two bases side by side, and one environment moves at a time.

Each call takes one step, and the repository itself says which is next: make the new
base and move the first environment; carry over what people have changed in base/
since; move the next environment; and, when nobody reads base/ any more, put the new
base in its place. A step changes what one environment renders to, or (the carrying
over) what those that have moved render to, or (the last) nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from gitops.errors import PlanError
from gitops.layout import BASE_FOLDER, GENERATED_FILE, STAGED_FILE, staged_base
from gitops.model import (
    BlobId,
    EnvironmentName,
    Finding,
    Severity,
)
from gitops.scaffold import write_generated
from gitops.upgrade import (
    File,
    FileChange,
    Names,
    Reads,
    Settled,
    Stage,
    as_one_base,
    changes_of,
    check_moved,
    compared,
    environments_on,
    files_below,
    findings_of,
    ids_below,
    ids_of,
    ids_of_files,
    moved,
    pristine_texts,
    reads_of,
    wanted,
    write_stage,
)
from gitops.workflow.regeneration import Job, Step, after, in_order, written

STAGED: Final = "upgrade-staged"


def begin(job: Job) -> Step:
    """Make the new base beside base/, and move the first environment that reads base/.

    Raises:
        PlanError: the folder is there already, or the environment cannot move alone.
        RenderError: an overlay cannot be followed.
    """
    folder = staged_base(job.release)
    if any(job.tree.paths_under(folder)):
        raise PlanError(
            f"{folder}/ is there already, but no staged upgrade is under way",
            hint="remove or rename the folder",
        )
    base = job.settle_base(folder)
    made = changes_of(job.tree, base)
    bases = as_one_base(after(job.tree, made), [BASE_FOLDER, folder])
    agents = job.settle_agents(bases)
    stage = Stage(
        release=job.release,
        files=ids_below(ids_of(base), folder),
        base=ids_of_files(files_below(job.tree, BASE_FOLDER)),
    )
    record = replace(job.record, files=job.recorded(agents))
    kept = job.kept_texts(
        (*record.files.values(), *stage.files.values()),
        pristine_texts((*base, *agents)),
    )
    records = {
        GENERATED_FILE: write_generated(record),
        STAGED_FILE: write_stage(stage),
    }
    move = _first_move(job, folder, made, base)
    return Step(
        changes=in_order(
            *made,
            *move.changes,
            *changes_of(job.tree, agents),
            *kept,
            *written(job.tree, records),
        ),
        findings=(*move.findings, *findings_of((*base, *agents))),
    )


def go_on(job: Job, stage: Stage) -> Step:
    """Take the next step of a staged upgrade, whatever release it is to.

    Raises:
        PlanError: an environment cannot move alone.
        RenderError: an overlay cannot be followed.
    """
    base = ids_of_files(files_below(job.tree, BASE_FOLDER))
    if base != stage.base:
        return _carried(job, stage, base)
    reads = reads_of(job.tree, job.world.fleet)
    if environments_on(reads, BASE_FOLDER):
        return _move(job, reads, stage.folder, made=())
    return _finished(job, stage, reads)


def _first_move(
    job: Job, folder: str, made: tuple[FileChange, ...], base: tuple[Settled, ...]
) -> Step:
    """Move the first environment to a base that is being made."""
    reads = reads_of(job.tree, job.world.fleet)
    if not environments_on(reads, BASE_FOLDER):
        return Step(findings=(_told(folder, f"{folder} is made", ""),))
    is_broken = any(f.severity is Severity.ERROR for f in findings_of(base))
    return _move(job, reads, folder, made=None if is_broken else made)


def _move(
    job: Job, reads: Reads, folder: str, *, made: tuple[FileChange, ...] | None
) -> Step:
    """Move the first environment that still reads base/.

    Args:
        job: see Job.
        reads: what the overlays read now.
        folder: where they move.
        made: what makes the new base; None when it holds conflicts, so that nobody
            can follow what an overlay reads of it.
    """
    first, *later = environments_on(reads, BASE_FOLDER)
    texts = moved(job.tree, reads, (first,), old=BASE_FOLDER, new=folder)
    changes = written(job.tree, texts)
    if made is not None:
        tree = after(job.tree, (*made, *changes))
        check_moved(reads_of(tree, job.world.fleet), (first,), old=BASE_FOLDER)
    return Step(
        changes=in_order(*changes),
        findings=(_told(folder, f"{first} moves to {folder}", _then(later)),),
    )


def _then(later: list[EnvironmentName]) -> str:
    again = "once it is merged, run `directus-gitops upgrade --staged` again"
    if later:
        return f"{again}, for {later[0]}"
    return f"{again}: {BASE_FOLDER}/ is then read by nobody, and is replaced"


def _carried(job: Job, stage: Stage, base: Mapping[str, BlobId]) -> Step:
    """Bring to the new base what people have changed in base/ since the last time."""
    now = files_below(job.tree, BASE_FOLDER)
    sides = compared(
        stage.folder,
        old=stage.base,
        ours=files_below(job.tree, stage.folder),
        theirs={name: file.content for name, file in now.items()},
    )
    names = Names(
        ours=f"{stage.folder}/", old=f"{BASE_FOLDER}/ before", theirs=f"{BASE_FOLDER}/"
    )
    results = job.settle(sides, names)
    record = {STAGED_FILE: write_stage(replace(stage, base=base))}
    told = _told(
        stage.folder,
        f"what was changed in {BASE_FOLDER} goes to {stage.folder} too",
        "once it is merged, run `directus-gitops upgrade --staged` again",
    )
    return Step(
        changes=in_order(*changes_of(job.tree, results), *written(job.tree, record)),
        findings=(told, *findings_of(results)),
    )


def _finished(job: Job, stage: Stage, reads: Reads) -> Step:
    """Put the new base in the place of base/; what is rendered stays as it is."""
    new = files_below(job.tree, stage.folder)
    environments = environments_on(reads, stage.folder)
    texts = moved(job.tree, reads, environments, old=stage.folder, new=BASE_FOLDER)
    gone = [
        STAGED_FILE,
        *job.tree.paths_under(stage.folder),
        *job.tree.paths_under(BASE_FOLDER),
    ]
    based: dict[str, File | None] = {
        **dict.fromkeys(gone),
        **{f"{BASE_FOLDER}/{name}": file for name, file in new.items()},
    }
    others = {
        path: blob
        for path, blob in job.record.files.items()
        if not path.startswith(f"{BASE_FOLDER}/")
    }
    files = others | {f"{BASE_FOLDER}/{n}": blob for n, blob in stage.files.items()}
    record = replace(job.record, release=stage.release, files=files)
    return Step(
        changes=in_order(
            *wanted(job.tree, based),
            *written(job.tree, texts),
            *written(job.tree, {GENERATED_FILE: write_generated(record)}),
            *job.kept_texts(files.values(), {}),
        ),
        findings=(
            _told(
                stage.folder,
                f"{stage.folder} takes the place of {BASE_FOLDER}",
                "nothing that is rendered may change in this step",
            ),
        ),
    )


def _told(folder: str, message: str, hint: str) -> Finding:
    return Finding(
        rule=STAGED,
        severity=Severity.INFO,
        path=folder,
        message=message,
        hint=hint,
    )
