"""Made-up releases of directus-gitops, and repositories that they generated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops.forges import Merged, NotMerged
from gitops.git import BareRepository
from gitops.layout import DEFAULT_OVERLAY_PATTERN
from gitops.model import BranchName, CommitId, FileEdit, Outcome, Proposed, Tree
from gitops.scaffold import Choices, agent_files, record_of, write_generated
from gitops.workflow import Held, Workplace, look, merge, plan_upgrade, propose
from tests.support.places import (
    DEPLOYMENT,
    MAIN,
    PERSON,
    Ticking,
    commit_files,
    fleet_files,
    workplace,
)
from tests.support.trees import tree

BRANCH = BranchName("directus-gitops/_base/upgrade")
RECORD = ".directus-gitops/generated.json"
STAGED = ".directus-gitops/staged.json"
PRISTINE = ".directus-gitops/pristine"
ENVIRONMENTS = ("development", "staging", "production")

SERVICE = """\
# The service of the pods.
apiVersion: v1
kind: Service
metadata: {name: directus}
spec:
  # One port.
  ports:
    - port: 80
      targetPort: 8055
  selector: {app: directus}
"""
SCRIPT = "# one\n# two\n# three\n# four\n# five\n# six\n"
OLD: Mapping[str, str] = {
    "base/kustomization.yaml": """\
# What every stack has.
resources:
  - deployment.yaml
  - service.yaml
configMapGenerator:
  - name: scripts
    files: [script.sh]
""",
    "base/deployment.yaml": DEPLOYMENT,
    "base/service.yaml": SERVICE,
    "base/script.sh": SCRIPT,
    "base/components/extra/kustomization.yaml": """\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
labels:
  - pairs: {extra: "yes"}
""",
}
NEW: Mapping[str, str] = {
    **OLD,
    "base/service.yaml": SERVICE.replace("port: 80\n", "port: 8080\n"),
    "base/script.sh": SCRIPT.replace("# six", "# 6"),
}


def repository(
    base: Mapping[str, str] = OLD, *stacks: str, release: str = "0.1.0"
) -> dict[str, str | bytes | None]:
    """Return the files that a release with this base generated for some stacks."""
    names = stacks or ("shop",)
    others = {p: t for p, t in fleet_files(*names).items() if p[:5] != "base/"}
    agents = agent_files(
        tree(base),
        environments=ENVIRONMENTS,
        stacks=names,
        agent="both",
        secrets="existing",
        repository_url=Choices().repository_url,
        branch="main",
        overlay_pattern=DEFAULT_OVERLAY_PATTERN,
    )
    made = {p: t.encode() for p, t in (others | dict(base)).items()} | agents
    record = write_generated(record_of(release, Choices(), made))
    return {**made, RECORD: record}


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrading:
    """A repository of release 0.1.0, and what a test does with it."""

    place: Workplace
    origin: BareRepository
    clock: Ticking

    def upgrade(
        self,
        base: Mapping[str, str] = NEW,
        *,
        release: str = "0.2.0",
        staged: bool = False,
        **options: Any,
    ) -> Outcome:
        """Propose the upgrade to a release with this base."""
        return propose(
            self.place,
            lambda world: plan_upgrade(
                self.place,
                world,
                release=release,
                staged=staged,
                requested_by="ada",
                shipped=tree(base),
            ),
            now=self.clock.later(minutes=1),
            **options,
        )

    def proposed(self, base: Mapping[str, str] = NEW, **options: Any) -> Proposed:
        """Propose the upgrade, which must have something to do."""
        outcome = self.upgrade(base, **options)
        assert isinstance(outcome, Proposed), outcome
        return outcome

    def merge(self, number: int, **options: Any) -> Merged | NotMerged | Held:
        """Merge a pull request as somebody else."""
        now = self.clock.later(minutes=1)
        return merge(self.place, number, by="bo", now=now, **options)

    def upgraded(self, base: Mapping[str, str] = NEW, **options: Any) -> Proposed:
        """Propose the upgrade and merge it."""
        outcome = self.proposed(base, **options)
        assert isinstance(self.merge(outcome.pull_request.number), Merged)
        return outcome

    def push(
        self, files: Mapping[str, str | bytes | None], branch: BranchName = MAIN
    ) -> CommitId:
        """Commit as a person."""
        return commit_files(
            self.origin, files, branch=branch, at=self.clock.later(minutes=1)
        )

    def push_edit(self, edit: FileEdit) -> None:
        """Commit one edit as a person, its mode included."""
        tip = self.origin.tip(MAIN)
        assert tip is not None
        commit = self.origin.commit(
            tree_of=tip,
            edits=[edit],
            parents=(tip,),
            message="change\n",
            author=PERSON,
            at=self.clock.later(minutes=1),
        )
        self.origin.update_ref(MAIN, commit, expected=tip)

    def tree(self, branch: BranchName = MAIN) -> Tree:
        """Read a branch."""
        tip = self.origin.tip(branch)
        assert tip is not None
        return self.origin.read_tree(tip)

    def text(self, path: str, branch: BranchName = MAIN) -> str:
        """Read a file of a branch."""
        return self.tree(branch).read(path).decode()

    def files(self, branch: BranchName = MAIN) -> dict[str, bytes]:
        """Read all files of a branch."""
        found = self.tree(branch)
        return {path: found.read(path) for path in found.entries}

    def rendered(self) -> dict[str, bytes]:
        """Render every overlay of main, environment -> text, for one stack."""
        world = look(self.place)
        folders = [f"overlays/{name}/shop" for name in ENVIRONMENTS]
        built = self.place.renderer.render(world.tree, folders)
        return {f.split("/")[1]: built[f].text for f in folders}


@contextmanager
def upgrading(
    folder: Path, kustomize: Path, files: Mapping[str, str | bytes | None]
) -> Iterator[Upgrading]:
    """Open a repository that holds the files."""
    clock = Ticking()
    with workplace(folder, kustomize, files, clock) as (place, origin, _store):
        yield Upgrading(place=place, origin=origin, clock=clock)
