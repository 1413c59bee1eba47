"""render: what kustomize may not do, it cannot do; with the pre-scan, and without."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from socket import create_connection, create_server
from threading import Thread

import pytest

from gitops.errors import RenderError, ToolError
from gitops.process import limiter, network_wall
from gitops.render import LIMITS, Renderer
from gitops.render.sandbox import build
from gitops.toolchain import Kustomize, find_kustomize
from tests.support.trees import tree, write_files

OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n"
QUICK = replace(LIMITS, timeout_s=0.5, grace_s=0.3)
FIELDS = {
    "resources": "resources: ['{}']",
    "bases": "bases: ['{}']",
    "components": "components: ['{}']",
    "patches": "resources: [x.yaml]\npatches: [{{path: '{}'}}]",
    "patchesStrategicMerge": "resources: [x.yaml]\npatchesStrategicMerge: ['{}']",
    "patchesJson6902": (
        "resources: [x.yaml]\n"
        "patchesJson6902: [{{path: '{}', target: {{kind: A, name: a, version: v1}}}}]"
    ),
    "replacements": "resources: [x.yaml]\nreplacements: [{{path: '{}'}}]",
    "files": "configMapGenerator: [{{name: a, files: ['{}']}}]",
    "keyed files": "configMapGenerator: [{{name: a, files: ['key={}']}}]",
    "envs": "configMapGenerator: [{{name: a, envs: ['{}']}}]",
    "env": "configMapGenerator: [{{name: a, env: '{}'}}]",
    "secret files": "secretGenerator: [{{name: a, files: ['{}']}}]",
    "openapi": "resources: [x.yaml]\nopenapi: {{path: '{}'}}",
    "crds": "resources: [x.yaml]\ncrds: ['{}']",
    "configurations": "resources: [x.yaml]\nconfigurations: ['{}']",
    "transformers": "resources: [x.yaml]\ntransformers: ['{}']",
    "generators": "generators: ['{}']",
    "validators": "resources: [x.yaml]\nvalidators: ['{}']",
    "case": "Resources: ['{}']",
    "long s": "re\u017fources: ['{}']",
    "inner case": "configMapGenerator: [{{name: a, FILES: ['{}']}}]",
    "escaped": "\"\\x72esources\": ['{}']",
    "folded": "resources:\n- >-\n  {}",
}
RUNS = (
    "file://{clone}//x?ref=--upload-pack={script}",
    "FILE://{clone}//x?ref=--upload-pack={script}",
    "git::file://{clone}//x?ref=--upload-pack={script}",
    "file://{clone}?ref=--upload-pack={script}",
    "file://{clone}//x?version=--upload-pack={script}&timeout=5",
)

pytestmark = pytest.mark.kustomize


@pytest.fixture(scope="session")
def tool(kustomize: Path) -> Kustomize:
    return find_kustomize(kustomize, "", Path("/nonexistent"))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


class Listener:
    """A loopback address that counts who comes, and answers nothing."""

    def __init__(self) -> None:
        self._socket = create_server(("127.0.0.1", 0))
        self.hits = 0
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/x.yaml"
        self._thread = Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                if connection.recv(4) == b"stop":
                    return
                self.hits += 1

    def close(self) -> None:
        with self._socket:
            with create_connection(self._socket.getsockname()) as last:
                last.sendall(b"stop")
            self._thread.join()


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    found.close()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository as another tenant of the machine may have it."""
    found = tmp_path / "clone"
    write_files(found, {"kustomization.yaml": "resources: [x.yaml]", "x.yaml": OBJECT})
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", "-C", str(found), *words], check=True)
    return found


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A program that leaves a sentinel when somebody runs it."""
    return shell(tmp_path / "run.sh", f": > {tmp_path / 'sentinel'}\nexit 1\n")


def shell(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return path


def fake(path: Path, text: str) -> Kustomize:
    return Kustomize(path=shell(path, text), is_kubectl=False, version="v5.8.1")


def overlay(kustomization: str) -> dict[str, bytes]:
    return {
        "o/kustomization.yaml": kustomization.encode(),
        "o/x.yaml": OBJECT.encode(),
    }


def unguarded(
    tool: Kustomize, root: Path, files: Mapping[str, bytes], **environment: str
) -> None:
    """Build without any wall: what would happen if ours were not there."""
    write_files(root, files)
    subprocess.run(
        tool.build("."),
        cwd=root / "o",
        env={"PATH": os.environ["PATH"], "HOME": str(root), **environment},
        capture_output=True,
        check=False,
    )


def failure(tool: Kustomize, scratch: Path, **changes: object) -> RenderError:
    limits = replace(QUICK, **changes)  # type: ignore[arg-type]  # fields of Limits
    with pytest.raises(RenderError) as caught:
        build(tool, scratch, overlay("resources: [x.yaml]"), "o", limits=limits)
    assert list(scratch.iterdir()) == []
    return caught.value


# --- addresses (T-K1) ---


def test_no_field_of_a_kustomization_makes_a_connection(
    tool: Kustomize, scratch: Path, tmp_path: Path, listener: Listener
) -> None:
    reached_it = set()
    for name, field in FIELDS.items():
        files = overlay(field.format(listener.url))
        with pytest.raises(RenderError):
            Renderer(tool, scratch).render(tree(files), ["o"])
        assert listener.hits == 0, name
        unguarded(tool, tmp_path / name, files)
        if listener.hits:
            reached_it.add(name)
        listener.hits = 0
    # without us all of these fetch, so the zeros above mean something
    assert len(reached_it) >= 18, sorted(set(FIELDS) - reached_it)
    assert {"resources", "files", "case", "long s"} <= reached_it


def test_without_the_prescan_the_network_wall_holds(
    tool: Kustomize, scratch: Path, listener: Listener
) -> None:
    if not network_wall():
        pytest.skip("this machine allows no network namespaces (unshare)")
    for field in FIELDS.values():
        with pytest.raises(RenderError):
            build(tool, scratch, overlay(field.format(listener.url)), "o")
    assert listener.hits == 0


# --- programs (T-K2, T-K3) ---


@pytest.mark.parametrize("form", RUNS)
def test_no_reference_runs_a_program(
    form: str,
    tool: Kustomize,
    scratch: Path,
    tmp_path: Path,
    clone: Path,
    script: Path,
) -> None:
    sentinel = tmp_path / "sentinel"
    files = overlay(f"resources: ['{form.format(clone=clone, script=script)}']")
    with pytest.raises(RenderError, match="is a URL"):
        Renderer(tool, scratch).render(tree(files), ["o"])
    assert not sentinel.exists()
    with pytest.raises(RenderError):  # with the pre-scan switched off
        build(tool, scratch, files, "o")
    assert not sentinel.exists()
    unguarded(tool, tmp_path / "unguarded", files)
    assert sentinel.exists()  # so the two lines above mean something


@pytest.mark.parametrize("wall", ["PATH", "GIT_ALLOW_PROTOCOL"])
def test_each_wall_against_programs_holds_alone(
    wall: str,
    tool: Kustomize,
    scratch: Path,
    tmp_path: Path,
    clone: Path,
    script: Path,
) -> None:
    probe = fake(tmp_path / "probe", environment_as_manifest(wall))
    value = build(probe, scratch, overlay(""), "o").decode().split("'")[1]
    form = RUNS[0].format(clone=clone, script=script)
    unguarded(tool, tmp_path / "u", overlay(f"resources: ['{form}']"), **{wall: value})
    assert not (tmp_path / "sentinel").exists()


def environment_as_manifest(name: str) -> str:
    return f"echo \"{name}: '${name}'\"\n"


@pytest.mark.parametrize(
    "text",
    [
        "generators: [plugin.yaml]",
        "resources: [x.yaml]\ntransformers: [plugin.yaml]",
        "resources: [x.yaml]\nvalidators: [plugin.yaml]",
        "helmCharts: [{name: a, repo: 'https://127.0.0.1:9'}]",
        "helmGlobals: {configHome: '.'}\nhelmCharts: [{name: a}]",
        "helmChartInflationGenerator: [{chartName: a}]",
    ],
)
@pytest.mark.parametrize("how", ["exec: {path: SCRIPT}", "container: {image: a}"])
def test_plugins_run_neither_with_the_prescan_nor_without(
    text: str,
    how: str,
    tool: Kustomize,
    scratch: Path,
    tmp_path: Path,
    script: Path,
) -> None:
    plugin = (
        "apiVersion: example.com/v1\nkind: Any\nmetadata:\n  name: a\n  annotations:\n"
        f"    config.kubernetes.io/function: |\n"
        f"      {how.replace('SCRIPT', str(script))}\n"
    )
    files = {**overlay(text), "o/plugin.yaml": plugin.encode()}
    with pytest.raises(RenderError, match="is not allowed"):
        Renderer(tool, scratch).render(tree(files), ["o"])
    with pytest.raises(RenderError):
        build(tool, scratch, files, "o")
    assert not (tmp_path / "sentinel").exists()


def test_kustomize_gets_a_folder_and_no_flag(tmp_path: Path, scratch: Path) -> None:
    program = fake(tmp_path / "kustomize", 'echo "$*"\n')
    assert build(program, scratch, overlay(""), "o") == b"build .\n"
    kubectl = replace(program, is_kubectl=True)
    assert build(kubectl, scratch, overlay(""), "o") == b"kustomize .\n"


# --- what it sees (T-K4, T-K7) ---


def test_another_repository_is_not_read(
    tool: Kustomize, scratch: Path, tmp_path: Path, clone: Path
) -> None:
    up = "../" * len((scratch / "render-x" / "tree" / "o").parts)
    for value in (f"{up}{clone}", str(clone), f"file://{clone}"):
        with pytest.raises(RenderError):
            Renderer(tool, scratch).render(
                tree(overlay(f"resources: ['{value}']")), ["o"]
            )


def test_a_build_sees_the_files_that_are_reached_and_no_other(
    tmp_path: Path, scratch: Path
) -> None:
    program = fake(tmp_path / "k", f"cd ..\n{OBJECT_OF_FILES}")
    files = tree(
        {**overlay("resources: [x.yaml]"), "o/secret.txt": "", "b/x.yaml": OBJECT}
    )
    found = Renderer(program, scratch).render(files, ["o"])["o"].objects[0]
    assert found.body["data"] == {"0": "./o/kustomization.yaml", "1": "./o/x.yaml"}


OBJECT_OF_FILES = (
    "n=0\necho 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:'\n"
    'for f in ./* ./*/*; do [ -f "$f" ] && echo "  \\"$n\\": $f" && n=$((n+1)); done\n'
)


def test_nothing_of_the_callers_environment_reaches_kustomize(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "KUSTOMIZE_PLUGIN_HOME",
        "XDG_CONFIG_HOME",
        "HTTPS_PROXY",
        "GIT_SSH_COMMAND",
        "GIT_ALLOW_PROTOCOL",
        "KUBECONFIG",
        "PATH",
        "AWS_SECRET_ACCESS_KEY",
    ):
        monkeypatch.setenv(name, "/hostile")
    program = fake(tmp_path / "kustomize", "export -p\n")
    seen = build(program, scratch, overlay(""), "o").decode()
    assert "hostile" not in seen
    assert "AWS" not in seen
    assert "GIT_ALLOW_PROTOCOL='none'" in seen
    for name in ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR"):
        assert f"{name}='{scratch.resolve()}/render-" in seen


def test_the_search_path_of_a_build_is_an_empty_folder(
    tmp_path: Path, scratch: Path
) -> None:
    program = fake(
        tmp_path / "kustomize",
        'cd "$PATH" && for f in * .[!.]*; do echo "$f"; done\n'
        "command -v git || echo 'no git'\n",
    )
    assert build(program, scratch, overlay(""), "o") == b"*\n.[!.]*\nno git\n"


# --- how it ends (T-K5, T-K6) ---


def gone(pid: int) -> bool:
    """Wait for the kernel to catch up with a signal."""
    for _ in range(500):
        stat = Path(f"/proc/{pid}/stat")
        try:
            state = stat.read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_a_build_that_hangs_is_killed_with_its_children(
    tmp_path: Path, scratch: Path
) -> None:
    pids = tmp_path / "pids"
    program = fake(
        tmp_path / "kustomize",
        f"trap '' TERM\n(trap '' TERM; while :; do :; done) &\necho $! $$ > {pids}\n"
        "while :; do :; done\n",
    )
    error = failure(program, scratch, file_bytes=None)
    assert error.message == "o: kustomize: stopped: not done after 0.5 s"
    assert all(gone(int(pid)) for pid in pids.read_text().split())


def test_a_build_that_prints_without_end_is_stopped(
    tmp_path: Path, scratch: Path
) -> None:
    program = fake(tmp_path / "kustomize", "while :; do echo aaaaaaaaaaaaaaaa; done\n")
    error = failure(program, scratch, timeout_s=30, output_bytes=1 << 16)
    assert "printed more than 65536 bytes" in error.message


@pytest.mark.parametrize("ending", ["exit 137", "kill -KILL $$"])
def test_a_build_that_was_killed_says_so(
    ending: str, tmp_path: Path, scratch: Path
) -> None:
    error = failure(fake(tmp_path / "kustomize", f"{ending}\n"), scratch)
    assert error.message.startswith("o: kustomize was stopped: it was killed")


def test_a_build_that_says_nothing_is_an_error_all_the_same(
    tmp_path: Path, scratch: Path
) -> None:
    error = failure(fake(tmp_path / "kustomize", "exit 3\n"), scratch)
    assert error.message == "o: kustomize failed (exit code 3): it does not say why"


def test_words_on_standard_error_do_not_make_a_failure(
    tmp_path: Path, scratch: Path
) -> None:
    program = fake(tmp_path / "kustomize", "echo warning >&2; echo ok\n")
    assert build(program, scratch, overlay(""), "o") == b"ok\n"


def test_a_missing_program_is_a_tool_error(tmp_path: Path, scratch: Path) -> None:
    missing = Kustomize(path=tmp_path / "kustomize", is_kubectl=False, version="v5.8.1")
    with pytest.raises(ToolError, match="no such program") as caught:
        Renderer(missing, scratch).render(tree(overlay("resources: [x.yaml]")), ["o"])
    assert str(tmp_path) not in caught.value.message
    assert list(scratch.iterdir()) == []


def test_what_kustomize_said_is_shown_in_one_clean_bounded_line(
    tmp_path: Path, scratch: Path
) -> None:
    words = (
        "printf '# Warning: old field\\nError: in %s/x.yaml:\\n\\033[31mred\\007\\n' "
        '"$PWD" >&2; exit 1\n'
    )
    error = failure(fake(tmp_path / "kustomize", words), scratch)
    assert error.message == "o: kustomize failed: in o/x.yaml: ?[31mred?"
    long = "i=0; while [ $i -lt 300 ]; do echo word$i >&2; i=$((i+1)); done; exit 1\n"
    error = failure(fake(tmp_path / "kustomize", long), scratch, timeout_s=30)
    assert error.message.startswith("o: kustomize failed: word0 word1 ")
    assert error.message.endswith("word299")
    assert len(error.message) < 550


@pytest.mark.parametrize("said", [r'"bad \"x\""', '<\n\tbad "x"\n >'])
def test_the_time_in_a_log_line_is_left_out(
    said: str, tmp_path: Path, scratch: Path
) -> None:
    line = f'E1123 22:38:58.931949   15841 run.go:72] "command failed" err={said}'
    text = f"/bin/cat <<'END' >&2\n{line}\nEND\nexit 1\n"
    error = failure(fake(tmp_path / "kustomize", text), scratch)
    assert error.message == 'o: kustomize failed: bad "x"'


@pytest.fixture
def limited() -> None:
    if limiter() is None:
        pytest.skip("this machine has no prlimit")


@pytest.mark.usefixtures("limited")
def test_a_bomb_of_aliases_ends_at_the_memory_limit(
    tool: Kustomize, scratch: Path
) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
    )
    files = {**overlay("resources: [x.yaml]"), "o/x.yaml": (OBJECT + bomb).encode()}
    with pytest.raises(RenderError) as caught:
        build(tool, scratch, files, "o")
    assert caught.value.message == (
        "o: kustomize was stopped: it needed more memory than it may use (1536 MiB)"
    )


@pytest.mark.usefixtures("limited")
def test_a_build_that_writes_a_file_is_stopped(tmp_path: Path, scratch: Path) -> None:
    program = fake(tmp_path / "kustomize", "while :; do echo x; done > ./file\n")
    assert "it tried to write a file" in failure(program, scratch).message


@pytest.mark.usefixtures("limited")
def test_a_build_that_only_computes_is_stopped(tmp_path: Path, scratch: Path) -> None:
    program = fake(tmp_path / "kustomize", "while :; do :; done\n")
    error = failure(program, scratch, cpu_s=1, timeout_s=30)
    assert "processor time" in error.message


def test_a_full_disk_is_an_error_that_names_the_overlay(
    tmp_path: Path, scratch: Path
) -> None:
    shutil.copy("/bin/true", tmp_path / "kustomize")
    program = Kustomize(path=tmp_path / "kustomize", is_kubectl=False, version="v5.8.1")
    both = {"o/kustomization.yaml": b"", "o": b""}
    with pytest.raises(RenderError, match="cannot be copied") as it:
        build(program, scratch, both, "o")
    assert str(tmp_path) not in it.value.message
    assert list(scratch.iterdir()) == []
