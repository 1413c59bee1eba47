"""The doctor: what it finds on real, broken and half-made installations."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gitops.git import use_git
from gitops.git.command import SEARCH_PATH
from service.clock import utc_now
from service.doctor import Check, State, examine
from service.doctor.ground import file_system, room
from service.settings import Settings
from service.store import Store
from tests.support.databases import execute
from tests.support.lab import Lab, copy_of, make_template
from tests.support.receivers import receiving
from tests.support.servers import Request, reply, serve

pytestmark = pytest.mark.kustomize

Change = Callable[[Lab], None]


@pytest.fixture(scope="module")
def fleet_template(tmp_path_factory: pytest.TempPathFactory, kustomize: Path) -> Path:
    return make_template(tmp_path_factory.mktemp("template"), kustomize)


@pytest.fixture
def lab(fleet_template: Path, tmp_path: Path, kustomize: Path) -> Lab:
    return copy_of(fleet_template, tmp_path / "lab", kustomize)


def seen(settings: Settings, *, at: datetime | None = None) -> dict[str, Check]:
    checks = examine(settings, utc_now if at is None else lambda: at)
    assert len({check.name for check in checks}) == len(checks)
    for check in checks:
        assert check.message.isprintable()
        assert str(settings.data) not in check.message + check.hint
        assert check.hint or check.state is State.OK
    return {check.name: check for check in checks}


def of(lab: Lab, kustomize: Path, *, at: datetime | None = None) -> dict[str, Check]:
    return seen(Settings(data=lab.data, kustomize=kustomize), at=at)


def test_a_whole_installation_has_nothing_to_complain_of(lab: Lab) -> None:
    answer = lab.run("doctor")
    checks = answer.json["checks"]
    bad = [c for c in checks if c["state"] != "ok" and c["name"] != "sandbox"]
    assert (answer.code, bad) == (0, [])
    assert set(checks[0]) == {"name", "state", "message", "hint"}
    names = {check["name"] for check in checks}
    assert names >= {
        *("git", "kustomize", "kustomize-build", "sandbox"),
        *("data-folder", "disk", "clock", "time-zones", "database", "replicas"),
        *("fleet/base-branch", "fleet/branch-prefix", "fleet/forge"),
        "fleet/last-pass",
    }


def test_people_get_a_table_and_what_to_do(lab: Lab) -> None:
    lab.put({"gitops.yaml": b"branch: ["})
    answer = lab.user.inside("doctor")
    assert answer.code == 4
    assert "fleet/base-branch" in answer.out
    assert "problem" in answer.out


def test_looking_makes_nothing(tmp_path: Path, kustomize: Path) -> None:
    data = tmp_path / "nothing" / "there"
    checks = seen(Settings(data=data, kustomize=kustomize))
    assert checks["data-folder"].state is State.WARNING
    assert checks["database"].state is State.OK
    assert not (tmp_path / "nothing").exists()


def test_looking_changes_nothing(lab: Lab) -> None:
    before = lab.seen()
    lab.asks("doctor")
    assert lab.seen() == before


# --- the programs ---


def test_a_missing_git_hides_nothing_else(
    lab: Lab, kustomize: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    try:
        checks = of(lab, kustomize)
    finally:
        use_git(SEARCH_PATH)
    assert checks["git"].state is State.PROBLEM
    assert "install git" in checks["git"].hint
    assert checks["kustomize-build"].state is State.OK
    assert checks["database"].state is State.OK


@pytest.mark.parametrize("says", ["v5.8.1", ""], ids=["no-manifest", "nothing"])
def test_a_kustomize_that_cannot_build_is_a_problem(
    lab: Lab, tmp_path: Path, says: str
) -> None:
    fake = tmp_path / "kustomize"
    fake.write_text(f"#!/bin/sh\n[ $1 = version ] && echo v5.8.1 || echo '{says}'\n")
    fake.chmod(0o755)
    checks = of(lab, fake)
    assert checks["kustomize"].state is State.OK
    assert checks["kustomize-build"].state is State.PROBLEM


def test_no_kustomize_is_a_problem_with_a_way_out(lab: Lab, tmp_path: Path) -> None:
    checks = of(lab, tmp_path / "none")
    assert checks["kustomize"].state is State.PROBLEM
    assert "tools install" in checks["kustomize"].hint


# --- the machine ---


@pytest.mark.parametrize(
    ("free", "has_files", "state"),
    [
        (50 << 30, True, State.OK),
        (500 << 20, True, State.WARNING),
        (50 << 20, True, State.PROBLEM),
        (50 << 30, False, State.PROBLEM),
    ],
)
def test_a_disk_is_judged_by_what_is_left(
    free: int, has_files: bool, state: State
) -> None:
    assert room(free, has_files=has_files).state is state


MOUNTS = """\
overlay / overlay rw 0 0
tmpfs /tmp tmpfs rw 0 0
server:/x /srv/data nfs4 rw 0 0
/dev/sdb /srv/data/inner ext4 rw 0 0
//nas/y /mnt/my\\040share cifs rw 0 0
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/home/x", "overlay"),
        ("/srv/data/forge", "nfs4"),
        ("/srv/data/inner/x", "ext4"),
        ("/srv/database", "overlay"),
        ("/mnt/my share/d", "cifs"),
    ],
)
def test_the_file_system_of_a_place_is_that_of_the_nearest_mount(
    place: str, kind: str
) -> None:
    assert file_system(Path(place), MOUNTS) == kind
    assert file_system(Path(place), "") == ""


def test_a_folder_that_others_may_read_is_a_warning(lab: Lab, kustomize: Path) -> None:
    (lab.data / "forge").chmod(0o755)
    check = of(lab, kustomize)["data-folder"]
    assert (check.state, "forge" in check.message) == (State.WARNING, True)


def test_a_folder_of_another_user_is_a_problem(lab: Lab, kustomize: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(lab.data / "mirrors", 4711, 4711)
    check = of(lab, kustomize)["data-folder"]
    assert (check.state, "mirrors" in check.message) == (State.PROBLEM, True)


def test_a_clock_before_the_release_is_a_problem(lab: Lab, kustomize: Path) -> None:
    checks = of(lab, kustomize, at=datetime(1970, 1, 2, tzinfo=UTC))
    assert checks["clock"].state is State.PROBLEM


def test_time_zones_grow_old(lab: Lab, kustomize: Path) -> None:
    later = utc_now() + timedelta(days=5 * 366)
    assert of(lab, kustomize, at=later)["time-zones"].state is State.WARNING


# --- the database ---


def sqlite(lab: Lab) -> str:
    return f"sqlite:///{lab.data / 'service.db'}"


@pytest.mark.parametrize(
    ("schema", "state"), [("0001", State.WARNING), ("9999", State.PROBLEM)]
)
def test_another_schema_is_told_and_left_alone(
    lab: Lab, kustomize: Path, schema: str, state: State
) -> None:
    change = f"UPDATE alembic_version SET version_num = '{schema}'"  # noqa: S608
    execute(sqlite(lab), change)
    check = of(lab, kustomize)["database"]
    assert (check.state, schema in check.message) == (state, True)
    assert execute(sqlite(lab), "SELECT version_num FROM alembic_version") == [
        (schema,)
    ]


def test_a_damaged_database_is_a_problem(lab: Lab, kustomize: Path) -> None:
    (lab.data / "service.db").write_bytes(b"not a database, but a text" * 200)
    for name in ("service.db-wal", "service.db-shm"):
        (lab.data / name).unlink(missing_ok=True)
    checks = of(lab, kustomize)
    assert checks["database"].state is State.PROBLEM
    assert checks["fleet/base-branch"].state is State.OK


def test_a_postgresql_is_looked_at_and_its_clock_is_compared(
    lab: Lab, kustomize: Path, postgresql: str
) -> None:
    settings = Settings(data=lab.data, kustomize=kustomize, database=postgresql)
    checks = seen(settings)
    assert checks["database"].message.startswith("PostgreSQL")
    assert checks["database-clock"].state is State.OK
    late = seen(settings, at=utc_now() + timedelta(seconds=12))
    assert late["database-clock"].state is State.WARNING
    wrong = seen(settings, at=utc_now() - timedelta(minutes=5))
    assert wrong["database-clock"].state is State.PROBLEM


def test_replicas_that_cannot_share_the_embedded_forge_are_told(
    lab: Lab, kustomize: Path, postgresql: str
) -> None:
    settings = Settings(data=lab.data, kustomize=kustomize, database=postgresql)
    check = seen(settings)["replicas"]
    assert (check.state, "fleet" in check.message) == (State.WARNING, True)


def test_an_empty_postgresql_stays_empty(
    lab: Lab, kustomize: Path, empty_postgresql: str
) -> None:
    settings = Settings(data=lab.data, kustomize=kustomize, database=empty_postgresql)
    assert seen(settings)["database"].state is State.OK
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert execute(empty_postgresql, tables) == []


def test_a_database_that_does_not_answer_keeps_its_password(
    lab: Lab, kustomize: Path
) -> None:
    address = "postgresql://gitops:hunter2-canary@127.0.0.1:1/none"
    settings = Settings(data=lab.data, kustomize=kustomize, database=address)
    checks = seen(settings)
    assert checks["database"].state is State.PROBLEM
    told = " ".join(c.message + c.hint for c in checks.values())
    assert "hunter2" not in told


# --- repositories ---


def broken_rules(lab: Lab) -> None:
    lab.put({"gitops.yaml": b"branch: ["})


def no_rules(lab: Lab) -> None:
    lab.put({"gitops.yaml": None})


@pytest.mark.parametrize("change", [broken_rules, no_rules])
def test_a_repository_that_cannot_be_used_is_a_problem(
    lab: Lab, kustomize: Path, change: Change
) -> None:
    change(lab)
    checks = of(lab, kustomize)
    assert checks["fleet/base-branch"].state is State.PROBLEM
    assert "gitops.yaml" in checks["fleet/base-branch"].message
    assert checks["fleet/branch-prefix"].state is State.OK


@pytest.mark.parametrize("prefix", ["bot", "bot/gitops"])
def test_a_branch_where_our_folder_should_be_is_a_problem(
    lab: Lab, kustomize: Path, prefix: str
) -> None:
    tip = lab.put({"x.txt": b"x"})
    (lab.origin / "refs/heads/bot").write_text(f"{tip}\n")
    settings = Settings(data=lab.data, kustomize=kustomize, branch_prefix=prefix)
    assert seen(settings)["fleet/branch-prefix"].state is State.PROBLEM
    assert of(lab, kustomize)["fleet/branch-prefix"].state is State.OK


def test_a_pause_and_a_sick_pass_are_told(lab: Lab, kustomize: Path) -> None:
    now = utc_now()
    with closing(Store("", lab.data, utc_now)) as store:
        store.holds.pause("fleet", by="sam")
        store.passes.ended("fleet", at=now, problem="the forge is away")
        store.passes.ended("fleet", at=now, problem="the forge is away")
    checks = of(lab, kustomize)
    assert checks["fleet/pause"].state is State.WARNING
    last = checks["fleet/last-pass"]
    assert (last.state, last.message) == (
        State.PROBLEM,
        "the forge is away, 2 times in a row",
    )


@pytest.mark.parametrize(
    ("ago", "state"),
    [
        (timedelta(minutes=2), State.OK),
        (timedelta(hours=2), State.WARNING),
        (timedelta(hours=-2), State.PROBLEM),
    ],
)
def test_the_last_pass_is_recent_and_not_in_the_future(
    lab: Lab, kustomize: Path, ago: timedelta, state: State
) -> None:
    with closing(Store("", lab.data, utc_now)) as store:
        store.passes.ended("fleet", at=utc_now() - ago)
    assert of(lab, kustomize)["fleet/last-pass"].state is state


def test_the_command_ends_with_four_where_something_is_broken(lab: Lab) -> None:
    no_rules(lab)
    answer = lab.run("doctor")
    assert answer.code == 4
    states = {check["name"]: check["state"] for check in answer.json["checks"]}
    assert states["fleet/base-branch"] == "problem"


# --- what service.toml names ---


def describe(lab: Lab, text: str) -> None:
    (lab.data / "service.toml").write_text(text)


def info(request: Request) -> bytes:
    assert request.target.startswith("/server/info")
    return reply({"data": {"project": {"project_name": "x"}}})


def source_at(url: str) -> str:
    return f"""\
[[repository]]
name = "fleet"
[repository.networks]
health = ["127.0.0.1"]
[[repository.health]]
name = "http"
kind = "directus"
url = "{url}"
"""


def test_a_health_source_that_answers_is_fine(lab: Lab, kustomize: Path) -> None:
    with serve(info) as server:
        describe(lab, source_at(server.url))
        checks = of(lab, kustomize)
    check = checks["fleet/health/http"]
    assert check.state is State.OK
    assert "example in production: healthy" in check.message


def test_a_health_source_that_is_silent_is_a_problem(lab: Lab, kustomize: Path) -> None:
    describe(lab, source_at("http://127.0.0.1:1"))
    checks = of(lab, kustomize)
    assert checks["fleet/health/http"].state is State.PROBLEM
    assert checks["fleet/base-branch"].state is State.OK


def test_a_forge_without_a_credential_is_told(lab: Lab, kustomize: Path) -> None:
    describe(
        lab,
        '[[repository]]\nname = "far"\nforge = "forgejo"\n'
        'url = "https://git.example.com/x/far.git"\n'
        '[[repository]]\nname = "not-made-yet"\n',
    )
    checks = of(lab, kustomize)
    assert checks["far/forge"].state is State.PROBLEM
    assert "credential" in checks["far/forge"].message
    assert checks["not-made-yet/described"].state is State.WARNING


def test_a_sink_is_looked_at_without_a_word_to_it(
    lab: Lab, kustomize: Path, tmp_path: Path
) -> None:
    with receiving() as receiver:
        (lab.data / "good").write_text(f"{receiver.address}/s3cret-canary")
        sinks = "".join(
            f'[[notify]]\nname = "{name}"\nkind = "webhook"\nurl = "file:{name}"\n'
            for name in ("good", "gone")
        )
        describe(lab, sinks)
        checks = of(lab, kustomize)
        assert receiver.requests == []
    assert checks["notify/good"].state is State.OK
    assert checks["notify/gone"].state is State.PROBLEM
    assert "s3cret-canary" not in " ".join(c.message for c in checks.values())


def test_a_file_that_breaks_a_rule_is_a_problem(lab: Lab, kustomize: Path) -> None:
    describe(lab, "[[repository]]\nnmae = 1\n")
    checks = of(lab, kustomize)
    assert checks["service.toml"].state is State.PROBLEM
    assert "service.toml:1" in checks["service.toml"].message
    assert "health" not in checks
    assert checks["git"].state is State.OK
