"""The container files say what is so. No engine runs here: they are read as text."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.creation import RELEASE
from service.settings import Settings, load

ROOT = Path(__file__).resolve().parent.parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: Any = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = sorted(COMPOSE["services"])


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, without comments, joined to one line."""
    lines = [x for x in DOCKERFILE.splitlines() if x and not x.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split()[0], line) for line in joined.splitlines()]


def last(name: str) -> str:
    return [line for word, line in instructions() if word == name][-1]


# --- the image ---


def test_the_image_runs_as_a_numbered_user_that_is_not_root() -> None:
    assert re.fullmatch(r"USER [1-9]\d{3,}:[1-9]\d{3,}", last("USER"))
    after = [word for word, _ in instructions()]
    assert after.index("USER") > max(n for n, w in enumerate(after) if w == "RUN")


def test_the_image_sets_what_exists() -> None:
    names = re.findall(r"(DIRECTUS_GITOPS_[A-Z_]+)=", DOCKERFILE)
    assert names
    known = Settings.model_fields
    assert all(n.removeprefix("DIRECTUS_GITOPS_").lower() in known for n in names)


@pytest.mark.parametrize("name", ["ENTRYPOINT", "CMD", "HEALTHCHECK"])
def test_the_image_starts_no_shell(name: str) -> None:
    line = last(name)
    words = json.loads(line[line.index("[") :])
    assert words
    assert not {"sh", "bash", "/bin/sh", "-c"} & set(words[:1])


def test_the_image_takes_kustomize_with_its_checksum_and_the_driver() -> None:
    build = next(line for word, line in instructions() if word == "RUN")
    assert "directus-gitops tools install" in build
    assert "[postgresql]" in build
    assert not re.search(r"curl|wget|ADD http", DOCKERFILE)


def test_the_image_leaves_out_what_nobody_runs() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".git", ".venv", "secrets", "tests"} <= set(ignored)
    wanted = re.findall(r'^"(\w+)" = "gitops/_shipped', PYPROJECT, re.MULTILINE)
    assert wanted
    assert not set(ignored) & {*wanted, "gitops", "service", "README.md", "LICENSE"}


PYPROJECT = (ROOT / "pyproject.toml").read_text()


# --- compose ---


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_this_machine_alone(name: str) -> None:
    ports = COMPOSE["services"][name].get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_database_is_reached_from_inside_alone() -> None:
    database = COMPOSE["services"]["database"]
    assert "ports" not in database
    assert database["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_may_more_than_it_needs(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged", False)


@pytest.mark.parametrize("name", ["gitops", "database"])
def test_the_roots_are_read_only(name: str) -> None:
    assert COMPOSE["services"][name]["read_only"] is True


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_named_by_a_full_version(name: str) -> None:
    tag = COMPOSE["services"][name]["image"].rpartition(":")[2]
    assert re.match(r"\d+\.\d+", tag)


def test_our_image_is_of_this_release() -> None:
    assert COMPOSE["services"]["gitops"]["image"] == f"directus-gitops:{RELEASE}"


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_asked_how_it_is(name: str) -> None:
    asked = COMPOSE["services"][name].get("healthcheck", {}).get("test", [])
    from_image = "build" in COMPOSE["services"][name] and "HEALTHCHECK" in DOCKERFILE
    assert from_image or asked[0] == "CMD"


def test_compose_sets_what_exists_and_no_secret_is_in_it() -> None:
    for name, value in COMPOSE["services"]["gitops"]["environment"].items():
        setting = name.removeprefix("DIRECTUS_GITOPS_").lower()
        assert setting in Settings.model_fields
        assert "://" not in value or "@" not in value
    text = (ROOT / "docker-compose.yml").read_text()
    assert not re.search(r"PASSWORD: |password=", text)
    for secret in COMPOSE["secrets"].values():
        assert secret["file"].startswith("secrets/")
    assert "/secrets/" in (ROOT / ".gitignore").read_text().split()


def test_it_has_the_time_that_it_needs_to_end() -> None:
    assert int(COMPOSE["services"]["gitops"]["stop_grace_period"].rstrip("s")) > 30


# --- its secrets ---


def make_secrets(folder: Path) -> Path:
    script = folder / "deploy" / "compose-secrets.sh"
    if not script.exists():
        script.parent.mkdir(parents=True)
        script.write_bytes((ROOT / "deploy" / "compose-secrets.sh").read_bytes())
    subprocess.run(["sh", str(script)], check=True, capture_output=True)
    return folder / "secrets"


def test_the_secrets_fit_together_and_are_closed(tmp_path: Path) -> None:
    folder = make_secrets(tmp_path)
    password = (folder / "database-password").read_text()
    assert re.fullmatch(r"[0-9a-f]{48}", password)
    address = load(database=f"file:{folder / 'database-address'}").database
    assert address == f"postgresql+psycopg://gitops:{password}@database/gitops"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_secrets_are_made_once(tmp_path: Path) -> None:
    before = (make_secrets(tmp_path) / "database-password").read_text()
    assert (make_secrets(tmp_path) / "database-password").read_text() == before
