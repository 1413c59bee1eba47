"""reach: every file that a build reads is named, or the build is refused by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pytest

from gitops.errors import RenderError
from gitops.model import BlobId, Entry, FileEdit, Mode, Tree, blob_id
from gitops.reach import Memory, prefetch, reached
from tests.support.trees import tree

OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n"
OVERLAY = "overlays/production/acme"
FILE = f"{OVERLAY}/kustomization.yaml"


def overlay(kustomization: str, files: Mapping[str, str | bytes] | None = None) -> Tree:
    return tree({FILE: kustomization, f"{OVERLAY}/x.yaml": OBJECT, **(files or {})})


def refusal(of: Tree, folder: str = OVERLAY) -> RenderError:
    with pytest.raises(RenderError) as caught:
        reached(of, folder)
    return caught.value


def with_mode(of: Tree, path: str, mode: Mode, content: bytes = b"../x") -> Tree:
    blob = blob_id(content)
    return Tree(
        commit=None,
        entries={**of.entries, path: Entry(mode, blob)},
        blobs={**of.blobs, blob: content},
    )


# --- what is reached ---


def test_every_kind_of_reference_is_followed_and_nothing_else_is_listed() -> None:
    files: dict[str, str | bytes] = {
        FILE: """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
metadata: {name: any}
resources: [../../../base, x.yaml, ./below/]
bases: [../../../old]
components: [../../../base/components/redis]
crds: [crd.json]
configurations: [config.yaml]
openapi: {version: v1, path: schema.json}
patches:
  - {path: patch.yaml}
  - {patch: "- {op: remove, path: /a}", target: {kind: Deployment}}
patchesStrategicMerge:
  - merge.yaml
  - |
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: x}
patchesJson6902: [{path: json.yaml, target: {kind: Deployment}}]
replacements: [{path: replacement.yaml}, {source: {kind: A}}]
configMapGenerator:
  - {name: a, env: one.env, envs: [two.env], files: [three.txt, key=four.bin]}
  - {name: b, literals: ["URL=http://127.0.0.1/?ref=x"]}
secretGenerator: [{name: c, files: [five.txt]}]
namespace: acme-production
commonLabels: {resources: "http://example.com"}
images: [{name: "registry.example.com:5000/a", newTag: "1"}]
vars:
replicas: []
""",
        f"{OVERLAY}/x.yaml": OBJECT,
        f"{OVERLAY}/below/kustomization.yml": "resources: [y.yaml]\n",
        f"{OVERLAY}/below/y.yaml": OBJECT,
        f"{OVERLAY}/crd.json": "{}",
        f"{OVERLAY}/config.yaml": "nameReference: []\n",
        f"{OVERLAY}/schema.json": "{}",
        f"{OVERLAY}/patch.yaml": "{}",
        f"{OVERLAY}/merge.yaml": "{}",
        f"{OVERLAY}/json.yaml": "[]",
        f"{OVERLAY}/replacement.yaml": "[]",
        f"{OVERLAY}/one.env": "A=1\n",
        f"{OVERLAY}/two.env": "B=1\n",
        f"{OVERLAY}/three.txt": "x",
        f"{OVERLAY}/four.bin": b"\x00\xff{{{",
        f"{OVERLAY}/five.txt": "x",
        "base/Kustomization": "resources:\n- deployment.yaml\n",
        "base/deployment.yaml": f"{OBJECT}---\n{OBJECT}",
        "base/components/redis/kustomization.yaml": "kind: Component\n",
        "old/kustomization.yaml": "resources: []\n",
    }
    unreached = {
        f"{OVERLAY}/other.yaml": "{{{",
        "base/README.md": "",
        "gitops.yaml": "",
    }
    assert reached(tree({**files, **unreached}), OVERLAY) == tuple(sorted(files))


def test_the_root_of_the_repository_can_be_built_and_be_a_base() -> None:
    files = tree(
        {
            "kustomization.yaml": "resources: [x.yaml]\n",
            "x.yaml": OBJECT,
            "a/kustomization.yaml": "resources: [..]\n",
        }
    )
    assert reached(files, "") == ("kustomization.yaml", "x.yaml")
    assert reached(files, "a") == (
        "a/kustomization.yaml",
        "kustomization.yaml",
        "x.yaml",
    )


def test_a_base_used_twice_is_listed_once() -> None:
    files = overlay(
        "resources: [../../../base, x.yaml]\ncomponents: [../../../c]\n",
        {
            "base/kustomization.yaml": "resources: [y.yaml]\n",
            "base/y.yaml": OBJECT,
            "c/kustomization.yaml": "kind: Component\nresources: [../base]\n",
        },
    )
    assert reached(files, OVERLAY).count("base/y.yaml") == 1


def test_fields_without_a_value_are_absent() -> None:
    text = "resources: [x.yaml]\ncomponents:\npatches: ~\nopenapi: null\n"
    text += "configMapGenerator: [{name: a, files: , env: }]\n"
    assert reached(overlay(text), OVERLAY) == (FILE, f"{OVERLAY}/x.yaml")


def test_aliases_are_followed() -> None:
    text = "resources: &all [x.yaml]\ncrds: *all\n"
    assert reached(overlay(text), OVERLAY) == (FILE, f"{OVERLAY}/x.yaml")


def test_executable_files_are_plain_files() -> None:
    files = with_mode(
        overlay("configMapGenerator: [{name: a, files: [run.sh]}]"),
        f"{OVERLAY}/run.sh",
        Mode.EXECUTABLE,
    )
    assert f"{OVERLAY}/run.sh" in reached(files, OVERLAY)


@pytest.mark.parametrize(
    "name", ["logo@2x.png", "x.y.z", "-dash", "ümlaut.txt", "sp ace"]
)
def test_unusual_file_names_are_fine(name: str) -> None:
    files = overlay(
        f"configMapGenerator: [{{name: a, files: ['{name}']}}]\n",
        {f"{OVERLAY}/{name}": "x"},
    )
    assert f"{OVERLAY}/{name}" in reached(files, OVERLAY)


# --- addresses (T-K1, T-K2) ---

ADDRESSES = [
    "http://127.0.0.1:9/x.yaml",
    "HTTP://127.0.0.1:9/x.yaml",
    "https://user:hunter2@example.com/x?token=hunter2",
    "http:example.com/x",
    "ssh://git@example.com/a/b",
    "file:///srv/clone/.git//?ref=HEAD",
    "FILE:///srv/clone//x?ref=--upload-pack=/tmp/run",
    "git::file:///srv/clone//x?ref=--upload-pack=/tmp/run",
    "git::https://example.com/a/b",
    "git@example.com:a/b",
    "someone@example.com/a/b",
    "github.com/a/b",
    "GitHub.com/a/b?ref=main",
    "github.com:a/b",
    "gh:a/b",
    "example.com/a/b//c",
    "x.yaml?ref=main",
    "x.yaml?version=--upload-pack=/tmp/run",
    "s3::bucket/x",
    "C:/x.yaml",
]
ELSEWHERE = [
    "/etc/passwd",
    "../../../../other/base",
    "..\\..\\x.yaml",
    "x.yaml\n",
    "\tx.yaml",
    "a\x85b",
    "",
    " ",
    ".git/config",
    "../../../.github/x.yaml",
]
FIELDS = {
    "resources": "resources: [{}]",
    "bases": "bases: [{}]",
    "components": "components: [{}]",
    "crds": "crds: [{}]",
    "configurations": "configurations: [{}]",
    "patches[].path": "patches: [{{path: {}}}]",
    "patchesJson6902[].path": "patchesJson6902: [{{path: {}}}]",
    "replacements[].path": "replacements: [{{path: {}}}]",
    "patchesStrategicMerge": "patchesStrategicMerge: [{}]",
    "openapi.path": "openapi: {{path: {}}}",
    "configMapGenerator[].files": "configMapGenerator: [{{name: a, files: [{}]}}]",
    "configMapGenerator[].envs": "configMapGenerator: [{{name: a, envs: [{}]}}]",
    "configMapGenerator[].env": "configMapGenerator: [{{name: a, env: {}}}]",
    "secretGenerator[].files": "secretGenerator: [{{name: a, files: [{}]}}]",
    "secretGenerator[].envs": "secretGenerator: [{{name: a, envs: [{}]}}]",
    "secretGenerator[].env": "secretGenerator: [{{name: a, env: {}}}]",
}


def quoted(value: str) -> str:
    escapes = "".join(f"\\x{ord(char):02x}" for char in value)
    return f'"{escapes}"'


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", ADDRESSES + ELSEWHERE)
def test_an_address_or_a_path_elsewhere_is_refused_in_every_field(
    field: str, value: str
) -> None:
    text = f"namespace: a\n{FIELDS[field].format(quoted(value))}\n"
    error = refusal(overlay(text))
    assert error.message.startswith(f"{FILE}:2: {field}")
    assert (error.path, error.line) == (FILE, 2)
    assert "hunter2" not in error.message
    assert error.message.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "resources: [http://127.0.0.1:9/x]",
        "resources: ['http://127.0.0.1:9/x']",
        "resources:\n- >-\n  http://127.0.0.1:9/x",
        "resources:\n- |-\n  http://127.0.0.1:9/x",
        '"\\x72esources": [http://127.0.0.1:9/x]',
        "crds: &a [http://127.0.0.1:9/x]\nresources: *a",
        "configMapGenerator: [{name: a, files: [key=http://127.0.0.1:9/x]}]",
        "patchesStrategicMerge:\n- |\n  http://127.0.0.1:9/x",
        "patchesStrategicMerge:\n- |\n  kind: [http://127.0.0.1:9/x\n",
        "patchesStrategicMerge:\n- |\n  kind: http://127.0.0.1:9/x\n  a: b",
        "resources: [x.yaml, [http://127.0.0.1:9/x]]",
        "resources: {a: http://127.0.0.1:9/x}",
        "resources: http://127.0.0.1:9/x",
        "patches: [http://127.0.0.1:9/x]",
        "patches: [{path: [http://127.0.0.1:9/x]}]",
        "openapi: http://127.0.0.1:9/x",
        "configMapGenerator: {files: http://127.0.0.1:9/x}",
    ],
)
@pytest.mark.parametrize(
    "name", ["kustomization.yaml", "kustomization.yml", "Kustomization"]
)
def test_no_way_of_writing_hides_an_address(text: str, name: str) -> None:
    refusal(tree({f"{OVERLAY}/{name}": text, f"{OVERLAY}/x.yaml": OBJECT}))


@pytest.mark.parametrize("name", ["github.com", "example.org", "user@host"])
def test_a_folder_named_like_a_host_needs_a_leading_dot(name: str) -> None:
    below = {
        f"{OVERLAY}/{name}/a/kustomization.yaml": "resources: [y.yaml]",
        f"{OVERLAY}/{name}/a/y.yaml": OBJECT,
    }
    assert "address" in refusal(overlay(f"resources: ['{name}/a']", below)).message
    assert len(reached(overlay(f"resources: ['./{name}/a']", below), OVERLAY)) == 3


@pytest.mark.parametrize("through", ["base", "component", "base of a base"])
def test_a_fault_in_a_shared_file_names_the_file_and_the_build(through: str) -> None:
    bad = "namespace: a\nresources: [http://127.0.0.1:9/x]\n"
    files = {
        "base": {FILE: "resources: [../../../b]", "b/kustomization.yaml": bad},
        "component": {
            FILE: "components: [../../../b]",
            "b/kustomization.yaml": f"{bad}kind: Component\n",
        },
        "base of a base": {
            FILE: "resources: [../../../a]",
            "a/kustomization.yaml": "resources: [../b]",
            "b/kustomization.yaml": bad,
        },
    }[through]
    error = refusal(tree(files))
    assert error.message.startswith("b/kustomization.yaml:2: resources 'http:")
    assert error.message.endswith(f"(reached from {OVERLAY})")
    assert (error.path, error.line) == ("b/kustomization.yaml", 2)


# --- names that Go's decoder takes for others ---


@pytest.mark.parametrize("name", ["Resources", "BASES", "re\u017fources", "patcheS"])
def test_a_field_in_another_spelling_is_refused(name: str) -> None:
    error = refusal(overlay(f"{name}: [x.yaml]\n"))
    assert "is no field of a kustomization" in error.message
    assert error.message.isascii()


@pytest.mark.parametrize(
    "text",
    [
        "patches: [{PATH: x.yaml}]",
        "patches: [{path: x.yaml, Path: http://127.0.0.1:9/x}]",
        "openapi: {Path: x.yaml}",
        "configMapGenerator: [{name: a, Files: [x.yaml]}]",
        "configMapGenerator: [{name: a, file\u017f: [x.yaml]}]",
        "secretGenerator: [{name: a, ENV: x.yaml}]",
        "replacements: [{pAth: x.yaml}]",
    ],
)
def test_an_inner_field_in_another_spelling_is_refused(text: str) -> None:
    assert "must be written" in refusal(overlay(text)).message


def test_an_unknown_field_is_refused_with_its_line() -> None:
    error = refusal(overlay("namespace: a\nressources: [x.yaml]\n"))
    assert error.message.startswith(f"{FILE}:2: 'ressources' is no field")


@pytest.mark.parametrize(
    "name",
    [
        "generators",
        "transformers",
        "validators",
        "helmCharts",
        "helmGlobals",
        "helmChartInflationGenerator",
    ],
)
def test_fields_that_can_run_programs_are_refused(name: str) -> None:
    error = refusal(overlay(f"resources: [x.yaml]\n{name}: [x.yaml]\n"))
    assert error.message.startswith(f"{FILE}:2: {name} is not allowed")
    assert error.hint


# --- files that are not what they must be ---


def test_a_missing_file_is_named_with_the_kustomization_that_wants_it() -> None:
    error = refusal(overlay("resources:\n- x.yaml\n- gone.yaml\n"))
    assert error.message == f"{FILE}:3: resources 'gone.yaml' is not in the repository"
    assert "folder" in error.hint


def test_a_folder_without_a_kustomization_file_is_refused() -> None:
    files = overlay("resources: [below]\n", {f"{OVERLAY}/below/y.yaml": OBJECT})
    assert "is a folder without a kustomization file" in refusal(files).message


def test_a_file_is_no_component() -> None:
    assert "is a file" in refusal(overlay("components: [x.yaml]\n")).message


@pytest.mark.parametrize(
    "field", ["crds", "configMapGenerator[].files", "patches[].path"]
)
def test_a_folder_is_no_file(field: str) -> None:
    files = {f"{OVERLAY}/below/kustomization.yaml": "resources: []"}
    error = refusal(overlay(FIELDS[field].format("below"), files))
    assert field in error.message


@pytest.mark.parametrize("source", ["=x.yaml", "key=", "a=b=x.yaml", "a/b=x.yaml"])
def test_a_generators_file_has_at_most_one_key(source: str) -> None:
    text = f"configMapGenerator: [{{name: a, files: ['{source}']}}]"
    assert "key=file" in refusal(overlay(text)).message


@pytest.mark.parametrize(
    "folder", ["", "overlays", "nowhere", "../x", "/etc", "a/../b", ".git"]
)
def test_a_folder_without_a_kustomization_file_is_not_built(folder: str) -> None:
    assert refusal(overlay("resources: [x.yaml]"), folder).path == folder


def test_two_kustomization_files_in_a_folder_are_refused() -> None:
    other = {f"{OVERLAY}/Kustomization": "resources: [x.yaml]"}
    assert "more than one" in refusal(overlay("resources: [x.yaml]", other)).message
    base = {"base/kustomization.yaml": "", "base/kustomization.yml": ""}
    error = refusal(overlay("resources: [../../../base]", base))
    assert error.message.startswith(
        f"{FILE}:1: resources '../../../base' cannot be read"
    )


@pytest.mark.parametrize("mode", [Mode.SYMLINK, Mode.SUBMODULE])
@pytest.mark.parametrize("at", ["link", "link/below", "link/below/kustomization.yaml"])
def test_no_way_leads_through_a_symlink_or_a_submodule(mode: Mode, at: str) -> None:
    files = with_mode(
        overlay(f"resources: [{at}]"),
        f"{OVERLAY}/link",
        mode,
    )
    error = refusal(files)
    assert "leads through a s" in error.message
    assert error.message.startswith(f"{FILE}:1:")


def test_a_kustomization_file_that_is_a_symlink_is_refused() -> None:
    first = with_mode(tree({"a": ""}), FILE, Mode.SYMLINK)
    assert "is a symlink" in refusal(first).message
    base = with_mode(
        overlay("resources: [../../../base]"), "base/kustomization.yaml", Mode.SYMLINK
    )
    error = refusal(base)
    assert error.message.startswith(f"{FILE}:1:")
    assert "is a symlink" in error.message


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("resources: [x.yaml]\n---\nresources: [x.yaml]\n", "more document"),
        ("resources: [x.yaml]\nresources: [x.yaml]\n", "twice"),
        ("commonLabels: &a {a: b}\n<<: *a\n", "merge keys"),
        ("!!binary cmVzb3VyY2Vz: [x.yaml]\n", "tag"),
        ("resources: [\n", "not YAML"),
        ("", "empty"),
        ("- x.yaml\n", "is a mapping"),
        ("? [a]\n: b\n", "key"),
        ("[" * 100, "nested"),
    ],
)
def test_a_kustomization_file_is_one_plain_mapping(text: str, problem: str) -> None:
    error = refusal(overlay(text))
    assert problem in error.message
    assert error.path == FILE
    base = {"base/kustomization.yaml": text}
    error = refusal(overlay("resources: [../../../base]", base))
    assert error.path == "base/kustomization.yaml"
    assert error.message.endswith(f"(reached from {OVERLAY})")


def test_a_bomb_of_aliases_is_refused_before_a_build() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
    )
    error = refusal(overlay("resources: [x.yaml]", {f"{OVERLAY}/x.yaml": bomb}))
    assert error.path == f"{OVERLAY}/x.yaml"
    assert error.line > 0


def test_a_file_read_as_bytes_first_is_still_checked_as_yaml() -> None:
    text = "configMapGenerator: [{name: a, files: [x.yaml]}]\nresources: [x.yaml]\n"
    files = overlay(text, {f"{OVERLAY}/x.yaml": "[" * 500})
    assert "nested" in refusal(files).message


@pytest.mark.parametrize("field", ["resources", "configMapGenerator[].files"])
def test_a_file_over_one_mebibyte_is_refused(field: str) -> None:
    text = FIELDS[field].format("big.yaml")
    limit = b"#" * (1 << 20)
    assert reached(overlay(text, {f"{OVERLAY}/big.yaml": limit}), OVERLAY)
    error = refusal(overlay(text, {f"{OVERLAY}/big.yaml": limit + b"#"}))
    assert error.path == f"{OVERLAY}/big.yaml"


# --- no end of them ---


def test_a_circle_is_named() -> None:
    files = tree(
        {
            "a/kustomization.yaml": "resources: [../b]",
            "b/kustomization.yaml": "resources: [../c]",
            "c/kustomization.yaml": "resources: [../b]",
        }
    )
    assert "b -> c -> b" in refusal(files, "a").message
    assert (
        "circle" in refusal(tree({"a/kustomization.yaml": "bases: [.]"}), "a").message
    )


def test_a_tower_of_bases_is_refused() -> None:
    files = {f"b{n}/kustomization.yaml": f"resources: [../b{n + 1}]" for n in range(40)}
    files["b40/kustomization.yaml"] = "namespace: a"
    assert "deep" in refusal(tree(files), "b0").message
    assert len(reached(tree(files), "b10")) == 31


def test_a_ladder_that_loads_folders_without_end_is_refused() -> None:
    files = {
        f"b{n}/kustomization.yaml": f"resources: [../b{n + 1}, ../b{n + 1}]"
        for n in range(20)
    }
    files["b20/kustomization.yaml"] = "namespace: a"
    assert "kustomizations" in refusal(tree(files), "b0").message


def test_too_many_files_are_refused() -> None:
    names = [f"f{n}" for n in range(2_001)]
    files = {f"{OVERLAY}/{name}": "" for name in names}
    text = f"configMapGenerator: [{{name: a, files: [{', '.join(names)}]}}]"
    assert "more than 2000 files" in refusal(overlay(text, files)).message


def test_too_many_bytes_are_refused() -> None:
    content = b"x" * (1 << 20)
    names = [f"f{n}" for n in range(65)]
    text = f"configMapGenerator: [{{name: a, files: [{', '.join(names)}]}}]"
    files = overlay(text, {f"{OVERLAY}/{name}": content for name in names})
    assert "64 MiB" in refusal(files).message


# --- how often git is asked ---


class Counting(Mapping[BlobId, bytes]):
    """Blobs of a slow source that counts how often it is asked."""

    def __init__(self, blobs: Mapping[BlobId, bytes]) -> None:
        self._blobs = blobs
        self._here: set[BlobId] = set()
        self.asked = 0

    def load(self, blobs: Iterable[BlobId], /) -> None:
        wanted = set(blobs) - self._here
        self.asked += bool(wanted)
        self._here |= wanted

    def __getitem__(self, key: BlobId) -> bytes:
        self.load((key,))
        return self._blobs[key]

    def __iter__(self) -> Iterator[BlobId]:
        return iter(self._blobs)

    def __len__(self) -> int:
        return len(self._blobs)


def fleet_of(stacks: int) -> dict[str, str | bytes]:
    names = [f"f{n}.yaml" for n in range(20)]
    overlays = [f"overlays/production/s{n}" for n in range(stacks)]
    return {
        "base/kustomization.yaml": f"resources: [{', '.join(names)}]",
        **{f"base/{name}": f"{OBJECT}# {name}" for name in names},
        **{
            f"{folder}/kustomization.yaml": f"namespace: {folder[-2:]}\n"
            "resources: [../../../base, x.yaml]\n"
            for folder in overlays
        },
        **{f"{folder}/x.yaml": f"{OBJECT}# {folder}" for folder in overlays},
    }


@pytest.mark.parametrize("edited", [False, True])
def test_a_fleet_is_read_in_a_few_questions(edited: bool) -> None:
    plain = tree(fleet_of(9))
    blobs = Counting(plain.blobs)
    files = Tree(commit=None, entries=plain.entries, blobs=blobs)
    if edited:
        after = b"namespace: other\nresources: [../../../base]\n"
        path = "overlays/production/s3/kustomization.yaml"
        files = files.with_edits([FileEdit(path=path, before=b"", after=after)])
    folders = [f"overlays/production/s{n}" for n in range(9)]
    prefetch(files, folders)
    assert all("base/f7.yaml" in reached(files, folder) for folder in folders)
    assert blobs.asked == 3  # the overlays, the base's kustomization, what it lists


def test_a_slow_source_hides_no_fault() -> None:
    text = "resources: [x.yaml, http://127.0.0.1:9/x]\ncrds: [x.yaml]\n"
    plain = overlay(text)
    files = Tree(commit=None, entries=plain.entries, blobs=Counting(plain.blobs))
    assert "is a URL" in refusal(files).message


# --- memory ---


def test_what_was_learned_of_a_blob_serves_other_folders_and_hides_no_fault() -> None:
    memory = Memory()
    good = overlay("resources: [x.yaml]")
    assert reached(good, OVERLAY, memory=memory)
    assert reached(good, OVERLAY, memory=memory) == (FILE, f"{OVERLAY}/x.yaml")
    moved = tree({"a/kustomization.yaml": "resources: [x.yaml]"})
    with pytest.raises(RenderError, match="not in the repository"):
        reached(moved, "a", memory=memory)


def test_memory_does_not_grow_for_ever() -> None:
    memory = Memory()
    memory.checked.update(blob_id(b"%d" % n) for n in range(20_001))
    reached(overlay("resources: [x.yaml]"), OVERLAY, memory=memory)
    assert len(memory.checked) == 1
