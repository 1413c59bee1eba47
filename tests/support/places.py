"""A Workplace over real parts, in a temporary folder: Git, kustomize, SQLite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gitops.forges.embedded import EmbeddedForge
from gitops.git import BareRepository, Identity, Mirror
from gitops.model import BranchName, CommitId, FileEdit
from gitops.render import Renderer
from gitops.schemas import load_schemas
from gitops.toolchain import find_kustomize
from gitops.workflow import Workplace
from service.store import Store

MAIN = BranchName("main")
BOT = Identity(name="directus-gitops", email="bot@example.com")
PERSON = Identity(name="ada", email="ada@example.com")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

FLEET = """\
apiVersion: directus-gitops/v1
branch: main
environments:
  - {name: development}
  - {name: staging, after: [development]}
  - {name: production, after: [staging]}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: directus}
spec:
  replicas: 1
  selector: {matchLabels: {app: directus}}
  template:
    metadata: {labels: {app: directus}}
    spec:
      containers:
        - {name: directus, image: directus/directus}
"""
OVERLAY = """\
# {stack} in {environment}
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: {stack}-{environment}
resources: [../../../base]
configMapGenerator:
  - name: directus-env
    envs: [config.env]
images:
  - name: directus/directus
    newTag: 12.4.0  # what runs
"""


def fleet_files(*stacks: str) -> dict[str, str]:
    """Return a small fleet at Directus 12.4.0: quick to render, few objects."""
    files = {
        "gitops.yaml": FLEET,
        "base/kustomization.yaml": "resources: [deployment.yaml]\n",
        "base/deployment.yaml": DEPLOYMENT,
    }
    for environment in ("development", "staging", "production"):
        for stack in stacks or ("shop",):
            folder = f"overlays/{environment}/{stack}"
            files[f"{folder}/kustomization.yaml"] = OVERLAY.format(
                stack=stack, environment=environment
            )
            files[f"{folder}/config.env"] = "LOG_LEVEL=info\n"
    return files


class Ticking:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def later(self, **by: float) -> datetime:
        """Move on and return the new time."""
        self.now += timedelta(**by)
        return self.now


def commit_files(
    origin: BareRepository,
    files: Mapping[str, str | bytes | None],
    *,
    branch: BranchName = MAIN,
    message: str = "change\n",
    at: datetime = NOON,
) -> CommitId:
    """Commit as a person, straight onto a branch; None removes a file."""
    tip = origin.tip(branch)
    start = tip if tip is not None else origin.tip(MAIN)
    edits = [
        FileEdit(
            path=path,
            before=None,
            after=text.encode() if isinstance(text, str) else text,
        )
        for path, text in files.items()
    ]
    commit = origin.commit(
        tree_of=start,
        edits=edits,
        parents=(start,) if start else (),
        message=message,
        author=PERSON,
        at=at,
    )
    origin.update_ref(branch, commit, expected=tip)
    return commit


@contextmanager
def workplace(
    folder: Path,
    kustomize: Path,
    files: Mapping[str, str | bytes | None],
    clock: Ticking,
) -> Iterator[tuple[Workplace, BareRepository, Store]]:
    """Open a Workplace over a fresh origin that holds the files."""
    origin = BareRepository.create(folder / "forge" / "fleet.git", MAIN)
    commit_files(origin, files)
    store = Store("", folder, clock)
    try:
        yield open_place(folder, kustomize, store), origin, store
    finally:
        store.close()


def open_place(folder: Path, kustomize: Path, store: Store) -> Workplace:
    """Open the Workplace anew, as a process after a restart would."""
    origin = folder / "forge" / "fleet.git"
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return Workplace(
        name="fleet",
        base=MAIN,
        prefix="directus-gitops",
        identity=BOT,
        mirror=Mirror.open_or_clone(
            folder / "mirrors" / "fleet.git", str(origin), allow_file=True
        ),
        forge=EmbeddedForge(
            BareRepository(origin), origin.with_suffix(".db"), public_url=None
        ),
        log=store.intents,
        renderer=Renderer(find_kustomize(kustomize, "", folder), scratch),
        schemas=load_schemas("1.33"),
    )
