"""PLAN an upgrade: what people made of the generated files, and what a release brings.

Pure. Promise: no edit of a person is lost in silence, nothing is done twice, and what
cannot be decided is shown with markers. It reads no history and merges no text by
itself: the caller hands it the old texts and a way to merge.

    releases    which release is newer
    sides       one file seen from three sides
    settling    what becomes of it
    conflicts   markers
    results     changes, findings, the next common ancestors
    stage       two bases side by side
    moving      environments from one base to another
"""

from gitops.upgrade.conflicts import CONFLICT, unresolved
from gitops.upgrade.moving import (
    Reads,
    check_moved,
    environments_on,
    moved,
    reads_of,
)
from gitops.upgrade.releases import check_not_older
from gitops.upgrade.results import (
    FileChange,
    changes_of,
    findings_of,
    ids_of,
    pristine_texts,
    wanted,
)
from gitops.upgrade.settling import Combined, Merge, Names, Settled, settled
from gitops.upgrade.sides import File, Sides, ancestors_wanted, compared
from gitops.upgrade.stage import (
    Stage,
    as_one_base,
    files_below,
    ids_below,
    ids_of_files,
    read_stage,
    write_stage,
)

__all__ = [
    "CONFLICT",
    "Combined",
    "File",
    "FileChange",
    "Merge",
    "Names",
    "Reads",
    "Settled",
    "Sides",
    "Stage",
    "ancestors_wanted",
    "as_one_base",
    "changes_of",
    "check_moved",
    "check_not_older",
    "compared",
    "environments_on",
    "files_below",
    "findings_of",
    "ids_below",
    "ids_of",
    "ids_of_files",
    "moved",
    "pristine_texts",
    "read_stage",
    "reads_of",
    "settled",
    "unresolved",
    "wanted",
    "write_stage",
]
