"""What the agents would do with the files below agents/, on paper.

Argo CD: the Git directory generator (path.Match over the folders of the tree) and the
few Go template forms that our application set uses. Flux: the Kustomizations, with
their patches added to the overlay's own kustomization file, as its controller does.
"""

from __future__ import annotations

import fnmatch
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.trees import write_files

Object = dict[str, Any]
FUNCTIONS = {
    "trimPrefix": lambda text, cut: text.removeprefix(cut),
    "trimSuffix": lambda text, cut: text.removesuffix(cut),
}


def objects(files: Mapping[str, bytes], folder: str) -> list[Object]:
    """Parse the objects below a folder; kustomization files are left out."""
    found = []
    for path in sorted(files):
        if path.startswith(f"{folder}/") and not path.endswith("/kustomization.yaml"):
            found += [body for body in yaml.safe_load_all(files[path]) if body]
    return found


def of_kind(bodies: list[Object], kind: str) -> list[Object]:
    """Keep the objects of a kind."""
    return [body for body in bodies if body["kind"] == kind]


# --- Argo CD ---


def folders(paths: list[str]) -> list[str]:
    """List every folder of a tree."""
    found = set()
    for path in paths:
        parts = path.split("/")[:-1]
        found |= {"/".join(parts[: n + 1]) for n in range(len(parts))}
    return sorted(found)


def matches(glob: str, folder: str) -> bool:
    """Match as Go's path.Match does: a star never crosses a slash."""
    wanted, parts = glob.split("/"), folder.split("/")
    return len(wanted) == len(parts) and all(
        fnmatch.fnmatchcase(part, want)
        for part, want in zip(parts, wanted, strict=True)
    )


def applications(application_set: Object, paths: list[str]) -> list[Object]:
    """Return the Applications that Argo CD would make of a tree."""
    spec = application_set["spec"]
    assert spec["goTemplate"] is True
    assert spec["goTemplateOptions"] == ["missingkey=error"]
    (generator,) = spec["generators"]
    git = generator["git"]
    return [
        _application(spec, git, folder)
        for entry in git["directories"]
        for folder in folders(paths)
        if matches(entry["path"], folder) and not folder.startswith(".")
    ]


def _application(spec: Object, git: Object, folder: str) -> Object:
    path = {"path": folder, "segments": folder.split("/")}
    values = {
        name: render(text, {"path": path}) for name, text in git["values"].items()
    }
    parameters = {"path": path, "values": values}
    template = _rendered(spec["template"], parameters)
    patch = yaml.safe_load(_patch(spec["templatePatch"], values["environment"]))
    body: Object = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        **_merged(template, patch),
    }
    return body


def render(text: str, parameters: Object) -> str:
    """Render the Go templates in a text; a form that we do not use is an error."""

    def one(found: re.Match[str]) -> str:
        first, *pipes = [part.strip() for part in found[1].split("|")]
        if indexed := re.fullmatch(r"index \.path\.segments (\d+)", first):
            value = parameters["path"]["segments"][int(indexed[1])]
        else:
            value = parameters
            for name in first.removeprefix(".").split("."):
                value = value[name]
        for pipe in pipes:
            name, argument = re.fullmatch(r'(\w+) "([^"]*)"', pipe).groups()  # type: ignore[union-attr]
            value = FUNCTIONS[name](value, argument)
        assert isinstance(value, str)
        return value

    return re.sub(r"\{\{(.*?)\}\}", one, text)


def _rendered(value: Any, parameters: Object) -> Any:
    if isinstance(value, str):
        return render(value, parameters)
    if isinstance(value, list):
        return [_rendered(item, parameters) for item in value]
    if isinstance(value, dict):
        return {key: _rendered(item, parameters) for key, item in value.items()}
    return value


def _patch(text: str, environment: str) -> str:
    """Evaluate the one `if has ... else ... end` of our template patch."""
    form = re.fullmatch(
        r"\{\{- \$manual := list(?P<manual>[^}]*)\}\}\n(?P<before>.*?)"
        r"\s*\{\{- if has \.values\.environment \$manual \}\}(?P<then>.*?)"
        r"\s*\{\{- else \}\}(?P<other>.*?)\s*\{\{- end \}\}\n",
        text,
        re.DOTALL,
    )
    assert form, text
    is_manual = f'"{environment}"' in form["manual"].split()
    return form["before"] + (form["then"] if is_manual else form["other"])


def _merged(target: Object, patch: Object) -> Object:
    """Merge as a JSON merge patch does, which is what remains of Argo CD's here."""
    result = dict(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = _merged(result.get(key) or {}, value)
        else:
            result[key] = value
    return result


# --- kustomize and Flux ---


def build(kustomize: Path, folder: Path) -> list[Object]:
    """Run kustomize (or kubectl) and parse what it prints."""
    with_kubectl = kustomize.name.startswith("kubectl")
    verb = "kustomize" if with_kubectl else "build"
    done = subprocess.run(
        [str(kustomize), verb, str(folder)],
        check=False,
        capture_output=True,
        env={"PATH": "/nonexistent", "HOME": str(folder)},
    )
    assert done.returncode == 0, done.stderr.decode()
    return [body for body in yaml.safe_load_all(done.stdout) if body]


def flux_build(
    kustomize: Path, files: Mapping[str, bytes], step: Object, scratch: Path
) -> list[Object]:
    """Build an overlay as a Flux Kustomization would."""
    write_files(scratch, files)
    folder = scratch / step["spec"]["path"]
    path = folder / "kustomization.yaml"
    text = yaml.safe_load(path.read_bytes())
    text["patches"] = [*text.get("patches", []), *step["spec"].get("patches", [])]
    path.write_text(yaml.safe_dump(text))
    return build(kustomize, folder)


def identity(body: Object) -> tuple[str, str, str, str]:
    """Name an object as the API server does."""
    metadata = body["metadata"]
    group = body["apiVersion"].rpartition("/")[0]
    return group, body["kind"], metadata.get("namespace", ""), metadata["name"]
