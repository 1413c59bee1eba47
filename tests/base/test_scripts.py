"""The scripts of base/, run for real beside a small stand-in for Directus."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gitops.layout import shipped_tree
from gitops.process import Completed, Limits, run
from tests.support.trees import write_files

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="no node")

# What the scripts use of @directus/api: a query builder over one JSON file.
_DATABASE = """\
import { appendFileSync, readFileSync } from "node:fs";
const read = () => JSON.parse(readFileSync(process.env.STATE));
const asked = () => appendFileSync(process.env.STATE + ".asked", "x");
const query = (table) => {
  const rows = read()[table] ?? [];
  const self = {
    join: () => self, where: () => self, orWhereIn: () => self,
    whereIn: () => self,
    select: () => Promise.resolve(read().access ?? []),
    count: () => Promise.resolve([{ count: String(rows.length) }]),
  };
  return self;
};
const database = Object.assign(query, {
  schema: { hasTable: async (name) => (asked(), name in read()) },
  select: () => ({ from: async (table) => read()[table] }),
  transaction: async () => ({
    raw: async () => {
      asked();
      if (read().locks === undefined) throw new Error("no such function");
      const taken = read().locks === "free";
      // As the drivers answer: that of PostgreSQL, that of MySQL.
      if (process.env.DB_CLIENT === "pg") return { rows: [{ taken }] };
      return [[{ taken: taken ? 1 : 0 }]];
    },
  }),
});
export default () => {
  const { REDIS_ENABLED, CACHE_STORE, REDIS_PASSWORD } = process.env;
  const wanted = REDIS_ENABLED === "true" || CACHE_STORE === "redis";
  if (wanted && !REDIS_PASSWORD) throw new Error("NOAUTH Authentication required.");
  return database;
};
"""
_CREATE_ADMIN = """\
import { readFileSync, writeFileSync } from "node:fs";
export async function createAdmin() {
  const state = JSON.parse(readFileSync(process.env.STATE));
  state.directus_users = [{ email: process.env.ADMIN_EMAIL }];
  writeFileSync(process.env.STATE, JSON.stringify(state));
}
"""
_CLI = """\
import { appendFileSync, existsSync } from "node:fs";
appendFileSync(process.env.CALLS, process.argv.slice(2).join(" ") + "\\n");
const until = process.env.WAIT_FOR;
while (until && !existsSync(until)) await new Promise((go) => setTimeout(go, 20));
process.exit(Number(process.env.BOOTSTRAP_STATUS ?? 0));
"""
_API = "node_modules/@directus/api"


class Directus:
    """A stand-in for the image: its files, the state of its database, its scripts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state_file = root / "state.json"
        package = {
            "name": "@directus/api",
            "type": "module",
            "exports": {"./*": "./dist/*.js", "./package.json": "./package.json"},
        }
        write_files(
            root,
            {
                "package.json": '{"type": "module"}',
                "cli.js": _CLI,
                f"{_API}/package.json": json.dumps(package),
                f"{_API}/dist/database/index.js": _DATABASE,
                f"{_API}/dist/database/migrations/20240101A-first.js": "",
                f"{_API}/dist/database/migrations/20240202A-second.js": "",
                f"{_API}/dist/database/migrations/run.js": "",
                f"{_API}/dist/utils/create-admin.js": _CREATE_ADMIN,
                f"{_API}/dist/utils/get-schema.js": "export const getSchema = () => 0;",
            },
        )
        write_files(
            root / "scripts",
            {
                path.rpartition("/")[2]: shipped_tree().read(path)
                for path in shipped_tree().paths_under("base/scripts")
            },
        )

    def holds(self, **state: Any) -> None:
        """Set what is in the database."""
        fresh = self.state_file.with_suffix(".new")
        fresh.write_text(json.dumps(state))
        fresh.replace(self.state_file)

    def wait_until_asked_again(self) -> None:
        """Wait until a script has looked at the database twice."""
        asked = Path(f"{self.state_file}.asked")
        while not asked.is_file() or asked.stat().st_size < 2:
            time.sleep(0.02)

    def users(self) -> list[Any]:
        """Return the users in the database."""
        found = json.loads(self.state_file.read_text())["directus_users"]
        assert isinstance(found, list)
        return found

    def run(self, script: str, *arguments: str, **env: str) -> Completed:
        """Run one of the scripts."""
        assert NODE is not None
        return run(
            [NODE, str(self.root / "scripts" / script), *arguments],
            env=self.environment(env),
            cwd=self.root,
            limits=Limits(timeout_s=30),
        )

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return what a script finds in its environment."""
        return {
            "PATH": os.environ["PATH"],
            "DIRECTUS_CLI": str(self.root / "cli.js"),
            "STATE": str(self.state_file),
            "CALLS": str(self.root / "calls"),
            **more,
        }

    @contextmanager
    def started(self, script: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run one of the scripts beside the test, and end it with it."""
        assert NODE is not None
        process = subprocess.Popen(
            [NODE, str(self.root / "scripts" / script)],
            env=self.environment(env),
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with process:
            yield process
            process.kill()

    def calls(self) -> str:
        """Return how the command line was called."""
        return (self.root / "calls").read_text()


@pytest.fixture
def directus(tmp_path: Path) -> Directus:
    return Directus(tmp_path)


DONE = [{"version": "20240101A"}, {"version": "20240202A"}]


# --- list-migrations ---


@needs_node
def test_only_the_migrations_to_come_are_listed(directus: Directus) -> None:
    directus.holds(directus_migrations=DONE[:1])
    write_files(directus.root, {"migrations/20240303A-own.mjs": "", "migrations/x": ""})
    listed = directus.root / "pending"
    assert directus.run("list-migrations.mjs", str(listed)).returncode == 0
    assert listed.read_text() == "20240202A-second.js\n20240303A-own.mjs\n"


@needs_node
@pytest.mark.parametrize("state", [{}, {"directus_migrations": DONE}])
def test_nothing_is_listed_where_there_is_nothing_to_lose(
    directus: Directus, state: dict[str, Any]
) -> None:
    directus.holds(**state)
    listed = directus.root / "pending"
    assert directus.run("list-migrations.mjs", str(listed)).returncode == 0
    assert listed.read_text() == ""


@needs_node
def test_asking_the_database_needs_no_password_of_redis(directus: Directus) -> None:
    directus.holds(directus_migrations=DONE, directus_users=[{}])
    redis = {"REDIS_ENABLED": "true", "CACHE_ENABLED": "true", "CACHE_STORE": "redis"}
    listed = str(directus.root / "pending")
    assert directus.run("list-migrations.mjs", listed, **redis).returncode == 0
    done = directus.run("wait-for-migrations.mjs", **redis)
    assert (done.returncode, done.stdout) == (0, b"the database is ready\n")


# --- wait-for-migrations ---


@needs_node
def test_a_pod_starts_once_the_database_is_migrated_and_has_a_user(
    directus: Directus,
) -> None:
    directus.holds(directus_migrations=DONE, directus_users=[{}])
    done = directus.run("wait-for-migrations.mjs")
    assert (done.returncode, done.stdout) == (0, b"the database is ready\n")


@needs_node
@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({}, "the database is empty"),
        ({"directus_migrations": DONE[:1]}, "1 migrations to come"),
        (
            {"directus_migrations": DONE, "directus_users": []},
            "there is no user yet",
        ),
    ],
)
def test_a_pod_waits_and_says_for_what(
    directus: Directus, state: dict[str, Any], reason: str
) -> None:
    directus.holds(**state)
    results: list[Completed] = []
    waiting = threading.Thread(
        target=lambda: results.append(
            directus.run("wait-for-migrations.mjs", WAIT_PAUSE_MS="50")
        )
    )
    waiting.start()
    directus.wait_until_asked_again()
    assert not results
    directus.holds(directus_migrations=DONE, directus_users=[{}])
    waiting.join()
    assert (
        f"waiting for the Job directus-migrate: {reason}\n"
        in results[0].stdout.decode()
    )
    assert results[0].returncode == 0


@needs_node
def test_an_image_that_cannot_be_asked_is_not_held_back(directus: Directus) -> None:
    shutil.rmtree(directus.root / "node_modules")
    done = directus.run("wait-for-migrations.mjs")
    assert done.returncode == 0
    assert b"not waiting" in done.stderr


# --- migrate ---


@needs_node
def test_the_migration_is_the_bootstrap_of_directus_itself(directus: Directus) -> None:
    directus.holds(directus_users=[{}], directus_access=[], access=[])
    assert directus.run("migrate.mjs").returncode == 0
    assert directus.calls() == "bootstrap\n"


@needs_node
def test_an_installation_without_a_user_gets_its_administrator(
    directus: Directus,
) -> None:
    directus.holds(directus_users=[], directus_access=[])
    password = "not-a-secret"  # noqa: S105
    done = directus.run(
        "migrate.mjs", ADMIN_EMAIL="a@example.com", ADMIN_PASSWORD=password
    )
    assert done.returncode == 0
    assert directus.users() == [{"email": "a@example.com"}]
    assert b"not-a-secret" not in done.stdout + done.stderr
    assert "not-a-secret" not in directus.calls()


# What releases before 11.12 have in its place: defaults, and a service for each table.
_DEFAULTS = """\
export const defaultAdminRole = { name: "Administrator" };
export const defaultAdminUser = { status: "active" };
"""
_POLICY = "export const defaultAdminPolicy = { admin_access: true };\n"
_SERVICE = """\
import { readFileSync, writeFileSync } from "node:fs";
export class NAMEService {
  async createOne(item) {
    const state = JSON.parse(readFileSync(process.env.STATE));
    (state.directus_TABLE ??= []).push(item);
    writeFileSync(process.env.STATE, JSON.stringify(state));
    return "TABLE-1";
  }
}
"""


@needs_node
@pytest.mark.parametrize("has_policies", [True, False])
def test_an_older_release_gets_its_administrator_step_by_step(
    directus: Directus, *, has_policies: bool
) -> None:
    dist = f"{_API}/dist"
    (directus.root / dist / "utils/create-admin.js").unlink()
    defaults = _DEFAULTS + (_POLICY if has_policies else "")
    files = {f"{dist}/cli/utils/defaults.js": defaults}
    for name in ("Roles", "Users", *(("Policies", "Access") if has_policies else ())):
        service = _SERVICE.replace("NAME", name).replace("TABLE", name.lower())
        files[f"{dist}/services/{name.lower()}.js"] = service
    write_files(directus.root, files)
    directus.holds(directus_users=[], directus_access=[])
    password = "not-a-secret"  # noqa: S105
    done = directus.run(
        "migrate.mjs", ADMIN_EMAIL="a@example.com", ADMIN_PASSWORD=password
    )
    assert done.returncode == 0, done.stderr
    (user,) = directus.users()
    assert (user["email"], user["role"]) == ("a@example.com", "roles-1")
    state = json.loads(directus.state_file.read_text())
    made = [{"policy": "policies-1", "role": "roles-1"}] if has_policies else []
    assert state["directus_access"] == made


@needs_node
def test_an_instance_that_anybody_could_claim_is_a_failure(directus: Directus) -> None:
    directus.holds(directus_users=[], directus_access=[])
    done = directus.run("migrate.mjs", ADMIN_EMAIL="a@example.com")
    assert done.returncode == 1
    assert b"ADMIN_PASSWORD" in done.stderr


@needs_node
def test_a_failed_bootstrap_is_a_failed_migration(directus: Directus) -> None:
    directus.holds(directus_users=[{}])
    done = directus.run("migrate.mjs", BOOTSTRAP_STATUS="7")
    assert done.returncode == 1
    assert b"bootstrap ended with 7" in done.stderr


@needs_node
@pytest.mark.parametrize("client", ["pg", "mysql"])
def test_a_second_migration_waits_for_the_end_of_the_first(
    directus: Directus, client: str
) -> None:
    directus.holds(locks="held", directus_users=[{}], directus_access=[])
    results: list[Completed] = []
    waiting = threading.Thread(
        target=lambda: results.append(
            directus.run("migrate.mjs", DB_CLIENT=client, WAIT_PAUSE_MS="50")
        )
    )
    waiting.start()
    directus.wait_until_asked_again()
    assert not (directus.root / "calls").exists()
    directus.holds(locks="free", directus_users=[{}], directus_access=[])
    waiting.join()
    assert results[0].returncode == 0
    assert b"another migration is under way" in results[0].stdout
    assert directus.calls() == "bootstrap\n"


@needs_node
@pytest.mark.parametrize("client", ["pg", "mysql", "cockroachdb"])
def test_a_database_without_locks_is_migrated_all_the_same(
    directus: Directus, client: str
) -> None:
    directus.holds(directus_users=[{}], directus_access=[])
    done = directus.run("migrate.mjs", DB_CLIENT=client)
    assert done.returncode == 0
    assert (b"gives no lock" in done.stderr) == (client != "cockroachdb")
    assert directus.calls() == "bootstrap\n"


# --- signals ---


@needs_node
@pytest.mark.parametrize(
    ("script", "env"),
    [
        ("migrate.mjs", {"DB_CLIENT": "pg"}),
        ("wait-for-migrations.mjs", {}),
    ],
)
def test_whatever_only_waits_ends_when_it_is_told_to(
    directus: Directus, script: str, env: dict[str, str]
) -> None:
    directus.holds(locks="held")
    with directus.started(script, WAIT_PAUSE_MS="50", **env) as waiting:
        directus.wait_until_asked_again()
        waiting.terminate()
        assert waiting.wait(timeout=30) == 143


@needs_node
def test_waiting_for_the_database_ends_when_it_is_told_to(directus: Directus) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    closed = {"DB_CLIENT": "pg", "DB_HOST": "127.0.0.1", "DB_PORT": str(port)}
    with directus.started("wait-for-db.mjs", **closed) as waiting:
        assert waiting.stdout is not None
        assert b"does not answer" in waiting.stdout.readline()
        waiting.terminate()
        assert waiting.wait(timeout=30) == 143


@needs_node
def test_a_migration_that_has_begun_is_brought_to_its_end(directus: Directus) -> None:
    directus.holds(directus_users=[{}], directus_access=[])
    go_on = directus.root / "go-on"
    with directus.started("migrate.mjs", WAIT_FOR=str(go_on)) as migrating:
        calls = directus.root / "calls"
        while not calls.exists():
            time.sleep(0.02)
        migrating.terminate()
        go_on.touch()
        assert migrating.wait(timeout=30) == 0


# --- wait-for-db ---


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@needs_node
def test_a_port_that_answers_is_enough(directus: Directus, listener: int) -> None:
    done = directus.run(
        "wait-for-db.mjs", DB_CLIENT="pg", DB_HOST="127.0.0.1", DB_PORT=str(listener)
    )
    assert done.returncode == 0


@needs_node
@pytest.mark.parametrize("client", [{}, {"DB_CLIENT": "sqlite3"}])
def test_sqlite_is_refused_because_it_would_lose_everything(
    directus: Directus, client: dict[str, str]
) -> None:
    done = directus.run("wait-for-db.mjs", DB_HOST="127.0.0.1", **client)
    assert done.returncode == 1
    assert b"add a database component" in done.stderr


@needs_node
@pytest.mark.parametrize(
    ("more", "status"), [({}, 1), ({"DB_CONNECTION_STRING": "pg://x"}, 0)]
)
def test_an_address_elsewhere_is_not_waited_for(
    directus: Directus, more: dict[str, str], status: int
) -> None:
    assert directus.run("wait-for-db.mjs", DB_CLIENT="pg", **more).returncode == status


# --- dumps ---


class Dumps:
    """A dump script with stand-ins for the database's programs."""

    def __init__(self, root: Path, database: str) -> None:
        self.folder = root / "backup"
        self.folder.mkdir()
        self.programs = root / "bin"
        self.script = root / "dump.sh"
        self.back = root / "restore.sh"
        for file in (self.script, self.back):
            path = f"base/components/backup-{database}/{file.name}"
            file.write_bytes(shipped_tree().read(path))
        for name in ("date", "gzip", "tail", "grep", "ls", "rm", "mv", "sh", "cat"):
            self.programs.mkdir(exist_ok=True)
            found = shutil.which(name)
            assert found is not None
            (self.programs / name).symlink_to(found)

    def program(self, name: str, text: str) -> None:
        """Put a program on the script's PATH."""
        file = self.programs / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    def run(self, *arguments: str, script: Path | None = None) -> Completed:
        """Run the dump script, or another one."""
        return run(
            ["/bin/sh", str(script or self.script), *arguments],
            env={
                "PATH": str(self.programs),
                "DONE": str(self.programs / "done"),
                "BACKUP_FOLDER": str(self.folder),
                "DB_HOST": "h",
                "DB_PORT": "1",
                "DB_USER": "u",
                "DB_DATABASE": "d",
            },
            limits=Limits(timeout_s=30),
        )

    def restore(self, *arguments: str) -> tuple[Completed, list[str]]:
        """Run the other script; return what it did to the database, in order."""
        done = self.programs / "done"
        done.write_text("")
        completed = self.run(*arguments, script=self.back)
        return completed, done.read_text().splitlines()

    def kept(self) -> list[str]:
        """Return the dumps that have a name."""
        return sorted(p.name for p in self.folder.iterdir() if p.suffix != ".part")


@pytest.fixture(params=["postgres", "mariadb"])
def dumps(request: pytest.FixtureRequest, tmp_path: Path) -> Dumps:
    made = Dumps(tmp_path, request.param)
    made.program(
        "pg_dump", 'for a; do case $a in --file=*) echo x > "${a#--file=}";; esac; done'
    )
    made.program(
        "pg_restore",
        'case $1 in --list) cat "$2";; *) echo restore >> "$DONE";; esac',
    )
    made.program("psql", 'echo empty >> "$DONE"')
    made.program(
        "mariadb",
        'case "$*" in *DROP*) echo empty;; *) echo restore;; esac >> "$DONE"; cat',
    )
    made.program("mariadb-dump", "echo CREATE; echo '-- Dump completed on today'")
    return made


def test_a_complete_dump_gets_its_name(dumps: Dumps) -> None:
    done = dumps.run("nightly")
    assert done.returncode == 0, done.stderr
    (name,) = dumps.kept()
    assert name.startswith("nightly-2")


def test_an_incomplete_dump_gets_none_and_is_a_failure(dumps: Dumps) -> None:
    dumps.program("pg_restore", "exit 1")
    dumps.program("mariadb-dump", "echo CREATE")
    assert dumps.run("nightly").returncode != 0
    assert dumps.kept() == []


def test_no_dump_is_taken_when_no_migration_is_to_come(
    dumps: Dumps, tmp_path: Path
) -> None:
    (tmp_path / "pending").write_text("")
    assert dumps.run("before-migration", str(tmp_path / "pending")).returncode == 0
    assert dumps.kept() == []
    (tmp_path / "pending").write_text("20240202A-second.js\n")
    assert dumps.run("before-migration", str(tmp_path / "pending")).returncode == 0
    assert len(dumps.kept()) == 1


def test_fourteen_dumps_of_each_kind_stay(dumps: Dumps) -> None:
    suffix = "dump" if "pg_dump" in dumps.script.read_text() else "sql.gz"
    for day in range(10, 30):
        (dumps.folder / f"nightly-202001{day}T000000Z.{suffix}").touch()
    other = dumps.folder / f"before-migration-20200101T000000Z.{suffix}"
    other.touch()
    assert dumps.run("nightly").returncode == 0
    kept = dumps.kept()
    assert other.name in kept
    assert len(kept) == 15
    assert f"nightly-20200129T000000Z.{suffix}" in kept
    assert f"nightly-20200110T000000Z.{suffix}" not in kept


def test_a_dump_is_put_back_into_an_emptied_database(dumps: Dumps) -> None:
    assert dumps.run("before-migration").returncode == 0
    (name,) = dumps.kept()
    completed, done = dumps.restore(name)
    assert completed.returncode == 0, completed.stderr
    assert done == ["empty", "restore"]


def test_without_a_whole_dump_nothing_is_emptied(dumps: Dumps) -> None:
    assert dumps.run("nightly").returncode == 0
    (name,) = dumps.kept()
    for wrong in ((), ("no-such-file",)):
        completed, done = dumps.restore(*wrong)
        assert (completed.returncode, done) == (1, [])
        assert name in completed.stdout.decode()
    dumps.program("pg_restore", "exit 1")
    (dumps.folder / name).write_bytes(b"cut off")
    completed, done = dumps.restore(name)
    assert completed.returncode != 0
    assert done == []


# --- redis ---


def test_redis_reads_its_password_from_standard_input_alone(tmp_path: Path) -> None:
    script = tmp_path / "start.sh"
    script.write_bytes(shipped_tree().read("base/components/redis/start.sh"))
    server = tmp_path / "redis-server"
    server.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/argv\ncat\n')
    server.chmod(0o755)
    password = "a b#'\"\\$x`"  # noqa: S105
    done = run(
        ["/bin/sh", str(script)],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "REDIS_PASSWORD": password,
        },
        limits=Limits(timeout_s=30),
    )
    assert (tmp_path / "argv").read_text() == "/config/redis.conf -\n"
    assert done.stdout.decode() == 'requirepass "a b#\'\\"\\\\$x`"\n'
