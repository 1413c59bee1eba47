"""render: overlays become manifests, each for itself, and equal files only once."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest

from gitops.errors import RenderError
from gitops.model import Manifests, Tree
from gitops.render import Renderer
from gitops.render.manifests import manifests_of
from gitops.render.renderer import _Cache, _Inputs
from gitops.toolchain import Kustomize, find_kustomize
from tests.support.trees import tree

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: directus
spec:
  template:
    spec:
      containers:
        - name: directus
          image: directus/directus:11.0.0
"""
FLEET = {
    "base/kustomization.yaml": "resources: [deployment.yaml, namespace.yaml]\n",
    "base/deployment.yaml": DEPLOYMENT,
    "base/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: any}\n",
    **{
        f"overlays/{environment}/acme/kustomization.yaml": (
            f"namespace: acme-{environment}\n"
            "resources: [../../../base]\n"
            'images: [{name: directus/directus, newTag: "11.1.0"}]\n'
        )
        for environment in ("development", "staging", "production")
    },
}
FOLDERS = [f"overlays/{e}/acme" for e in ("production", "development", "staging")]

pytestmark = pytest.mark.kustomize


@pytest.fixture(scope="session")
def tool(kustomize: Path) -> Kustomize:
    return find_kustomize(kustomize, "", Path("/nonexistent"))


@pytest.fixture
def renderer(tool: Kustomize, tmp_path: Path) -> Renderer:
    return Renderer(tool, tmp_path / "scratch")


def changed(path: str, content: str) -> Tree:
    return tree({**FLEET, path: content})


def test_an_overlay_becomes_objects_that_know_their_lines(renderer: Renderer) -> None:
    manifests = renderer.render(tree(FLEET), FOLDERS[:1])[FOLDERS[0]]
    assert manifests.path == FOLDERS[0]
    found = {(o.kind, o.namespace, o.name): o for o in manifests.objects}
    assert set(found) == {
        ("Deployment", "acme-production", "directus"),
        ("Namespace", "", "acme-production"),
    }
    deployment = found["Deployment", "acme-production", "directus"]
    assert deployment.api_version == "apps/v1"
    assert "11.1.0" in str(deployment.body)
    lines = manifests.text.decode().splitlines()
    assert [lines[o.line - 1] for o in manifests.objects] == [
        f"apiVersion: {o.api_version}" for o in manifests.objects
    ]


def test_results_come_in_the_order_asked_for_and_progress_counts_to_the_end(
    renderer: Renderer,
) -> None:
    told: list[tuple[int, int]] = []
    found = renderer.render(
        tree(FLEET),
        [*FOLDERS, FOLDERS[0]],
        progress=lambda done, total: told.append((done, total)),
    )
    assert list(found) == FOLDERS
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_more_overlays_than_are_held_in_memory_at_once_are_all_built(
    renderer: Renderer,
) -> None:
    many = {
        f"o{n}/kustomization.yaml": f"namespace: n{n}\nresources: [../base]\n"
        for n in range(12)
    }
    found = renderer.render(tree({**FLEET, **many}), [f"o{n}" for n in range(12)])
    namespaces = [m.objects[-1].namespace for m in found.values()]
    assert namespaces == [f"n{n}" for n in range(12)]


def test_one_overlay_that_cannot_be_built_does_not_stop_the_others(
    renderer: Renderer,
) -> None:
    files = changed(
        f"{FOLDERS[1]}/kustomization.yaml",
        "resources: [../../../base]\npatches: [{patch: '{kind: A}', target: {}}]\n",
    )
    files = tree(
        {
            **{path: files.read(path) for path in files.entries},
            f"{FOLDERS[2]}/kustomization.yaml": "resources: [gone.yaml]\n",
        }
    )
    found = renderer.attempt(files, FOLDERS)
    assert isinstance(found[FOLDERS[0]], Manifests)
    failed, refused = found[FOLDERS[1]], found[FOLDERS[2]]
    assert isinstance(failed, RenderError)
    assert failed.message.startswith(f"{FOLDERS[1]}: kustomize failed: ")
    assert failed.path == FOLDERS[1]
    assert isinstance(refused, RenderError)
    assert refused.message.startswith(f"{FOLDERS[2]}/kustomization.yaml:1: resources")
    with pytest.raises(RenderError) as first:
        renderer.render(files, FOLDERS)
    assert first.value.message == failed.message


def test_a_folder_named_like_a_host_is_built_as_a_folder(renderer: Renderer) -> None:
    files = {"github.com/a/b/kustomization.yaml": "resources: [../../../base]"}
    found = renderer.render(tree({**FLEET, **files}), ["github.com/a/b"])
    assert len(found["github.com/a/b"].objects) == 2


def test_the_root_of_the_repository_can_be_rendered(renderer: Renderer) -> None:
    files = {"kustomization.yaml": "namespace: here\nresources: [base]\n"}
    found = renderer.render(tree({**FLEET, **files}), [""])[""]
    assert found.objects[-1].namespace == "here"


def test_deprecated_fields_still_render(renderer: Renderer) -> None:
    files = changed(f"{FOLDERS[0]}/kustomization.yaml", "bases: [../../../base]\n")
    assert renderer.render(files, FOLDERS[:1])[FOLDERS[0]].objects


def test_an_overlay_that_renders_nothing_is_an_error(renderer: Renderer) -> None:
    files = changed(f"{FOLDERS[0]}/kustomization.yaml", "namespace: a\n")
    with pytest.raises(RenderError, match="renders no object"):
        renderer.render(files, FOLDERS[:1])


def test_equal_files_are_built_once_and_a_change_in_the_base_is_seen(
    renderer: Renderer,
) -> None:
    first = renderer.render(tree(FLEET), FOLDERS)
    again = renderer.render(changed("README.md", "not reached"), FOLDERS)
    assert all(again[folder] is first[folder] for folder in FOLDERS)
    other = changed("base/deployment.yaml", DEPLOYMENT.replace("directus\n", "d\n"))
    assert renderer.render(other, FOLDERS)[FOLDERS[0]].text != first[FOLDERS[0]].text
    overlay = f"{FOLDERS[0]}/kustomization.yaml"
    bumped = changed(overlay, FLEET[overlay].replace("11.1.0", "11.2.0"))
    after = renderer.render(bumped, FOLDERS)
    assert b":11.2.0" in after[FOLDERS[0]].text
    assert [after[f] is first[f] for f in FOLDERS] == [False, True, True]


def test_a_failure_is_not_remembered(tool: Kustomize, tmp_path: Path) -> None:
    blocked = tmp_path / "scratch"
    blocked.write_text("not a folder")
    renderer = Renderer(tool, blocked)
    with pytest.raises(RenderError, match="cannot be copied"):
        renderer.render(tree(FLEET), FOLDERS[:1])
    blocked.unlink()
    assert renderer.render(tree(FLEET), FOLDERS[:1])


def test_the_cache_keeps_the_latest_up_to_an_amount_of_text() -> None:
    cache = _Cache(25)
    kept = {
        name: Manifests(path=name, text=b"0123456789", objects=()) for name in "abc"
    }
    inputs = {name: _Inputs(name, ()) for name in "abc"}
    cache.put(inputs["a"], kept["a"])
    cache.put(inputs["b"], kept["b"])
    cache.put(inputs["b"], kept["b"])
    assert cache.get(inputs["a"]) is kept["a"]
    cache.put(inputs["c"], kept["c"])
    assert cache.get(inputs["b"]) is None
    assert cache.get(inputs["a"]) is kept["a"]
    assert cache.get(inputs["c"]) is kept["c"]


def test_threads_may_share_a_renderer(renderer: Renderer) -> None:
    results: list[dict[str, Manifests]] = []
    threads = [
        Thread(target=lambda: results.append(renderer.render(tree(FLEET), FOLDERS)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all(result == results[0] for result in results)


def test_no_copy_stays_on_the_disk(tool: Kustomize, tmp_path: Path) -> None:
    renderer = Renderer(tool, tmp_path / "scratch")
    bad = changed(f"{FOLDERS[0]}/kustomization.yaml", "namespace: a\n")
    renderer.render(tree(FLEET), FOLDERS)
    renderer.attempt(bad, FOLDERS)
    assert list((tmp_path / "scratch").iterdir()) == []


# --- kustomize's output ---


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "renders no object"),
        (b"# only a comment\n", "renders no object"),
        (b"---\n---\n", "renders no object"),
        (b"Hello, world\n", "line 1 of kustomize's output begins no object"),
        (b"a: [\n", "cannot be read"),
        (b"\xff\n", "cannot be read"),
        (b"- a\n", "begins no object"),
        (b"apiVersion: v1\nkind: A\n", "begins no object"),
        (b"apiVersion: v1\nkind: A\nmetadata: [name]\n", "begins no object"),
        (b"apiVersion: v1\nkind: A\nmetadata: {name: 1}\n", "begins no object"),
        (b"apiVersion: 1\nkind: A\nmetadata: {name: a}\n", "begins no object"),
    ],
)
def test_output_that_is_no_list_of_objects_is_an_error(
    text: bytes, problem: str
) -> None:
    with pytest.raises(RenderError, match=problem) as caught:
        manifests_of(text, "o")
    assert caught.value.message.startswith("o: ")
    assert caught.value.path == "o"
