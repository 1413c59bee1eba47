"""Overlays of the shipped base, built by the real kustomize, for the tests of base/."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from gitops.layout import shipped_tree
from gitops.model import Manifest, Manifests, Tree, tree_of
from gitops.render import Renderer
from gitops.scaffold import Options, read_options
from gitops.toolchain import find_kustomize
from tests.golden.cases import generated

FOLDER = "overlays/test/example"
_OVERLAY = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: example-test
resources: [../../../base]
components: [{components}]
configMapGenerator:
  - {{name: directus-env, behavior: merge, envs: [config.env]}}
images:
  - {{name: directus/directus, newTag: "12.4.1"}}
"""


def components() -> list[str]:
    """Name every component that ships."""
    paths = shipped_tree().paths_under("base/components")
    return sorted({path.split("/")[2] for path in paths})


def overlay_with(*names: str, config: str = "") -> Tree:
    """Make an overlay with some components."""
    files = {path: shipped_tree().read(path) for path in shipped_tree().entries}
    listed = ", ".join(f"../../../base/components/{name}" for name in names)
    files[f"{FOLDER}/kustomization.yaml"] = _OVERLAY.format(components=listed).encode()
    public = "PUBLIC_URL=https://cms.example.com\n"
    files[f"{FOLDER}/config.env"] = (public + config).encode()
    return tree_of(files)


@cache
def renderer() -> Renderer:
    """Return one renderer for all tests of a process, and clean up after it."""
    scratch = Path(tempfile.mkdtemp(prefix="base-tests-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    setting = os.environ.get("TEST_KUSTOMIZE")
    tool = find_kustomize(
        Path(setting) if setting else None, os.environ["PATH"], scratch / "cache"
    )
    return Renderer(tool, scratch)


def build(tree: Tree, folder: str = FOLDER) -> Manifests:
    """Build one overlay."""
    return renderer().render(tree, [folder])[folder]


def built_with(*names: str, config: str = "") -> Manifests:
    """Build an overlay with some components."""
    return build(overlay_with(*names, config=config))


def initialised(options: Options) -> Tree:
    """Return the repository that `init` writes."""
    return tree_of(generated(options))


def built_from(**choices: str) -> Manifests:
    """Build one overlay of a repository made with these choices."""
    options = read_options(environments=["test"], choices=choices)
    return build(initialised(options))


# --- looking into what was built ---


def one(found: Manifests, kind: str, name: str) -> Any:
    """Return the body of one object; a ConfigMap is named without its suffix."""
    bodies = [
        o.body
        for o in found.objects
        if o.kind == kind
        and name == (o.name.rpartition("-")[0] if kind == "ConfigMap" else o.name)
    ]
    assert len(bodies) == 1, f"{len(bodies)} objects {kind} {name}"
    return bodies[0]


def pod_specs(objects: Sequence[Manifest]) -> Iterator[tuple[str, Any]]:
    """Yield the pod template of every workload, with a name for messages."""
    for item in objects:
        body: Any = item.body
        if item.kind == "CronJob":
            yield (
                f"{item.kind} {item.name}",
                body["spec"]["jobTemplate"]["spec"]["template"],
            )
        elif "template" in body.get("spec", {}):
            yield f"{item.kind} {item.name}", body["spec"]["template"]


def containers(objects: Sequence[Manifest]) -> Iterator[tuple[str, Any]]:
    """Yield every container, init containers included."""
    for owner, template in pod_specs(objects):
        spec = template["spec"]
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            yield f"{owner}: {container['name']}", container


def container(found: Manifests, kind: str, name: str, which: str) -> Any:
    """Return one container by its names."""
    mine = [o for o in found.objects if o.kind == kind and o.name == name]
    return next(c for owner, c in containers(mine) if owner.endswith(f": {which}"))


def environment(found: Manifests, of: Any) -> dict[str, str]:
    """Return what a container will find: its ConfigMaps in order, then its own env."""
    values: dict[str, str] = {}
    for source in of.get("envFrom", ()):
        name = source["configMapRef"]["name"]
        values |= next(
            o.body["data"]  # type: ignore[misc]
            for o in found.objects
            if o.kind == "ConfigMap" and o.name == name
        )
    for entry in of.get("env", ()):
        reference = entry.get("valueFrom", {}).get("secretKeyRef")
        values[entry["name"]] = (
            f"<{reference['name']}/{reference['key']}>" if reference else entry["value"]
        )
    return values
