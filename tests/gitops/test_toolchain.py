"""toolchain: the program that is used is the real one, known, and not too old."""

from __future__ import annotations

import platform
import struct
from pathlib import Path

import pytest

from gitops.errors import ToolError
from gitops.toolchain import RELEASE, WHEEL, Kustomize, find_kustomize
from gitops.toolchain.search import known


def native_program(path: Path, says: str) -> Path:
    """Write the smallest Linux program that prints a text: no script, no compiler."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("the stand-in program is made for Linux on x86-64")
    text = says.encode()
    code = (
        b"\xb8\x01\x00\x00\x00\xbf\x01\x00\x00\x00"  # write to standard output
        + b"\x48\x8d\x35"
        + struct.pack("<i", 5 + 2 + 5 + 2 + 2)  # the text follows the code
        + b"\xba"
        + struct.pack("<I", len(text))
        + b"\x0f\x05\xb8\x3c\x00\x00\x00\x31\xff\x0f\x05"  # and exit with 0
    )
    start, base = 64 + 56, 0x400000
    size = start + len(code) + len(text)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        *(2, 62, 1, base + start, 64, 0, 0, 64, 56, 1, 0, 0, 0),
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + segment + code + text)
    path.chmod(0o755)
    return path


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def kubectl(path: Path, version: str = "v5.5.0") -> Path:
    return native_program(path, f'{{"kustomizeVersion": "{version}"}}')


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


# --- the order ---


def test_the_setting_wins_over_everything_else(tmp_path: Path, cache: Path) -> None:
    setting = native_program(tmp_path / "chosen", "v5.1.0\n")
    native_program(tmp_path / "bin/kustomize", "v5.2.0\n")
    assert find_kustomize(setting, str(tmp_path / "bin"), cache) == Kustomize(
        path=setting, is_kubectl=False, version="v5.1.0"
    )


def test_a_kustomize_on_path_wins_over_a_kubectl_on_path(
    tmp_path: Path, cache: Path
) -> None:
    kubectl(tmp_path / "a/kubectl")
    path = native_program(tmp_path / "b/kustomize", "v5.2.0\n")
    found = find_kustomize(None, f"{tmp_path}/a:{tmp_path}/b", cache)
    assert found == Kustomize(path=path, is_kubectl=False, version="v5.2.0")


def test_a_kubectl_on_path_wins_over_the_cache(tmp_path: Path, cache: Path) -> None:
    native_program(cache / RELEASE.folder / "kustomize", "v5.8.1\n")
    path = kubectl(tmp_path / "a/kubectl")
    found = find_kustomize(None, f"{tmp_path}/a", cache)
    assert found == Kustomize(path=path, is_kubectl=True, version="v5.5.0")


def test_the_cache_is_the_last_place(cache: Path) -> None:
    path = kubectl(cache / WHEEL.folder / "kubectl", "v5.8.1")
    assert find_kustomize(None, "", cache).path == path
    better = native_program(cache / RELEASE.folder / "kustomize", "v5.8.1\n")
    assert find_kustomize(None, "", cache).path == better


def test_nothing_anywhere_is_an_error_with_a_way_out(
    tmp_path: Path, cache: Path
) -> None:
    with pytest.raises(ToolError, match="none in the cache") as caught:
        find_kustomize(None, str(tmp_path), cache)
    assert caught.value.hint == "run `directus-gitops tools install`"


@pytest.mark.parametrize("search_path", ["", ".", "./", "bin", ":", "::"])
def test_a_program_in_the_working_directory_is_not_found(
    search_path: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    native_program(tmp_path / "kustomize", "v5.8.1\n")
    native_program(tmp_path / "bin/kustomize", "v5.8.1\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToolError, match="none on PATH"):
        find_kustomize(None, search_path, cache)


# --- what is passed over ---


def test_a_script_named_kustomize_on_path_is_passed_over(
    tmp_path: Path, cache: Path
) -> None:
    sentinel = tmp_path / "sentinel"
    script(tmp_path / "venv/kustomize", f": > {sentinel}; echo v5.2.1")
    real = native_program(tmp_path / "bin/kustomize", "v5.3.0\n")
    found = find_kustomize(None, f"{tmp_path}/venv:{tmp_path}/bin", cache)
    assert found.path == real
    with pytest.raises(ToolError, match="is a script"):
        find_kustomize(None, f"{tmp_path}/venv", cache)
    assert not sentinel.exists()


def test_an_old_program_on_path_is_passed_over(tmp_path: Path, cache: Path) -> None:
    native_program(tmp_path / "old/kustomize", "v4.5.7\n")
    real = kubectl(tmp_path / "bin/kubectl")
    found = find_kustomize(None, f"{tmp_path}/old:{tmp_path}/bin", cache)
    assert found.path == real


def test_the_error_says_of_each_program_why_it_does_not_serve(
    tmp_path: Path, cache: Path
) -> None:
    native_program(tmp_path / "kustomize", "v4.5.7\n")
    kubectl(tmp_path / "kubectl", "v4.5.7")
    script(cache / RELEASE.folder / "kustomize", "echo v5.8.1")
    with pytest.raises(ToolError) as caught:
        find_kustomize(None, str(tmp_path), cache)
    message = caught.value.message
    assert "on PATH: kustomize: kustomize v4.5.7 is older than v5.0.0" in message
    assert "on PATH: kubectl: kustomize v4.5.7 is older than v5.0.0" in message
    assert "in the cache: kustomize: is a script" in message
    assert str(tmp_path) not in message


def test_a_file_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="kustomize: cannot be read"):
        known(tmp_path / "kustomize")


# --- the setting ---


def test_a_script_that_the_operator_chose_is_used(tmp_path: Path, cache: Path) -> None:
    path = script(tmp_path / "kustomize", "echo v5.4.3")
    assert find_kustomize(path, "", cache).version == "v5.4.3"


def test_a_chosen_kubectl_is_known_by_its_name(tmp_path: Path, cache: Path) -> None:
    path = script(
        tmp_path / "kubectl-1.37",
        '[ "$*" = "version --client -o json" ] || exit 1\n'
        'echo \'{"kustomizeVersion": "v5.8.1"}\'',
    )
    found = find_kustomize(path, "", cache)
    assert (found.is_kubectl, found.version) == (True, "v5.8.1")
    assert found.build("o") == (str(path), "kustomize", "o")


def test_a_choice_that_does_not_serve_is_an_error_not_a_reason_to_look_on(
    tmp_path: Path, cache: Path
) -> None:
    kubectl(tmp_path / "kubectl")
    with pytest.raises(ToolError, match="kustomize: no such program") as caught:
        find_kustomize(tmp_path / "kustomize", str(tmp_path), cache)
    assert str(tmp_path) not in caught.value.message


def test_a_relative_choice_is_refused(cache: Path) -> None:
    with pytest.raises(ToolError, match="no absolute path"):
        find_kustomize(Path("kustomize"), "", cache)


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("v5.8.1", "v5.8.1"),
        ("5.4.2", "v5.4.2"),
        ("v5.0.0", "v5.0.0"),
        ("v6.0.0-rc.1", "v6.0.0"),
        ("kustomize/v5.3.0", "v5.3.0"),
        ("{Version:kustomize/v5.0.1 GitCommit:x}", "v5.0.1"),
        ("v5.10.0+dirty", "v5.10.0"),
    ],
)
def test_the_version_is_read(
    says: str, version: str, tmp_path: Path, cache: Path
) -> None:
    path = script(tmp_path / "kustomize", f"echo '{says}'")
    assert find_kustomize(path, "", cache).version == version


@pytest.mark.parametrize(
    ("does", "problem"),
    [
        ("echo v4.5.7", "older than v5.0.0"),
        ("echo '{Version:kustomize/v4.1.2 GitCommit:x}'", "older than v5.0.0"),
        ("echo '(devel)'", "no version"),
        ("echo", "no version"),
        ("echo v5.8", "no version"),
        ("echo v5.8.1.2", "no version"),
        ("echo v5.99999.1", "no version"),
        ("printf '\\377\\033[31m'", "no version"),
        ("echo v5.8.1; exit 1", "exit code 1"),
        ("exit 137", "exit code 137"),
        ("while :; do echo v5.8.1; done", "printed more than"),
    ],
)
def test_a_program_that_gives_no_good_answer_is_refused(
    does: str, problem: str, tmp_path: Path, cache: Path
) -> None:
    path = script(tmp_path / "kustomize", does)
    with pytest.raises(ToolError, match=problem) as caught:
        find_kustomize(path, "", cache)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("says", ["{}", "[]", "", "v5.8.1", '{"kustomizeVersion": 5}'])
def test_a_kubectl_that_does_not_name_its_kustomize_is_refused(
    says: str, tmp_path: Path, cache: Path
) -> None:
    path = script(tmp_path / "kubectl", f"echo '{says}'")
    with pytest.raises(ToolError, match="no version"):
        find_kustomize(path, "", cache)


def test_a_program_sees_nothing_of_the_callers_environment(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUSTOMIZE_VERSION", "v9.9.9")
    path = script(tmp_path / "kustomize", 'echo "${KUSTOMIZE_VERSION:-v5.8.1}"')
    assert find_kustomize(path, "", cache).version == "v5.8.1"


@pytest.mark.kustomize
def test_the_real_program_answers(kustomize: Path, cache: Path) -> None:
    found = find_kustomize(kustomize, "", cache)
    assert found.path == kustomize
    assert found.version.startswith("v5.")
