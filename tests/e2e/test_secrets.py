"""Keys from nothing to a merged, encrypted file, and where their values never are."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops.forges.embedded import EmbeddedForge
from gitops.git import BareRepository
from gitops.secretfile import sealed_check, sealed_values, sops_check
from tests.support.commands import PROGRAM, Answer, User, git
from tests.support.encryption import CERTIFICATE, SEAL, new_key, program, sops

__all__ = ["sops"]  # fixtures

pytestmark = pytest.mark.kustomize
FOLDER = "overlays/staging/example"
SOPS_FILE = f"{FOLDER}/secrets.enc.yaml"
SEALED_FILE = f"{FOLDER}/sealed-secret.yaml"
CHOSEN = "chosen by a person"
EMAIL = "canary-4f1c@example.com"
KEYS = {"SECRET", "DB_PASSWORD", "DB_ROOT_PASSWORD", "ADMIN_EMAIL", "ADMIN_PASSWORD"}
GENERATE = ("secrets", "generate", "example", "staging")
ROTATE = ("secrets", "rotate", "example", "staging")


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Somebody with a fleet, a key pair, and programs that write down how they ran.

    Attributes:
        user: stands in the fleet.
        public: age public key.
        key_file: the private one.
        sops: the real one.
        bin: folder of the sops and kubeseal that the commands find.
        reports: what those programs saw: arguments, environment, files around them.
    """

    user: User
    public: str
    key_file: Path
    sops: Path
    bin: Path
    reports: Path

    @property
    def origin(self) -> Path:
        return self.user.data / "forge" / "fleet.git"

    def env(self, *, private: bool = False) -> dict[str, str]:
        found = {"PATH": f"{self.bin}:{os.environ['PATH']}"}
        if private:
            found["SOPS_AGE_KEY_FILE"] = str(self.key_file)
        return found

    def run(self, *arguments: str, private: bool = False, stdin: str = "") -> Answer:
        """Run a command in this process."""
        env = self.env(private=private)
        return self.user.inside(*arguments, env=env, stdin=stdin)

    def ask(self, *arguments: str, private: bool = False, stdin: str = "") -> Any:
        answer = self.run(*arguments, "--json", private=private, stdin=stdin)
        assert answer.code == 0, answer.out + answer.err
        return answer.json

    def refused(
        self, *arguments: str, private: bool = False, stdin: str = ""
    ) -> dict[str, str]:
        answer = self.run(*arguments, "--json", private=private, stdin=stdin)
        assert answer.code == 1, answer.out + answer.err
        error: dict[str, str] = answer.json["error"]
        return error

    def generate(self, *arguments: str) -> Any:
        return self.ask(*GENERATE, *arguments, stdin=f"ADMIN_EMAIL={EMAIL}\n")

    def merge(self, answer: Any) -> None:
        self.ask("pr", "merge", str(answer["pull_request"]["number"]))

    def file(self, path: str) -> str:
        """Return a file of the work tree."""
        return (self.user.here / path).read_text()

    def decrypted(self, text: str) -> dict[str, str]:
        """Decrypt as Flux or a person would, with the private key."""
        done = subprocess.run(
            [self.sops, "decrypt", "--input-type", "yaml", "--output-type", "json"],
            input=text,
            env={"SOPS_AGE_KEY_FILE": str(self.key_file)},
            check=True,
            capture_output=True,
            text=True,
        )
        values: dict[str, str] = json.loads(done.stdout)["stringData"]
        return values


WATCH = """
here = pathlib.Path.cwd()
report = {"argv": sys.argv, "env": dict(os.environ),
          "files": [p.read_text() for p in here.rglob("*") if p.is_file()]}
reports = pathlib.Path(%r)
(reports / f"sops-{os.getpid()}").write_text(json.dumps(report))
"""


@pytest.fixture
def fleet(newcomer: User, tmp_path: Path, sops: Path) -> Callable[..., Owner]:
    """Return what makes a fleet whose secrets are kept in a given way."""
    public, private = new_key()
    key_file = tmp_path / "key.txt"
    key_file.write_text(private)
    folder, reports = tmp_path / "bin", tmp_path / "reports"
    folder.mkdir()
    reports.mkdir()
    watch = WATCH % str(reports)
    program(folder, "sops", f"{watch}os.execv({str(sops)!r}, sys.argv)\n")
    program(folder, "kubeseal", f"{watch}{SEAL}print(yaml.safe_dump(body))\n")

    def make(choice: str, *options: str) -> Owner:
        made = newcomer.inside("init", "fleet", "--secrets", choice, *options)
        assert made.code == 0, made.err
        return Owner(
            user=newcomer.at(newcomer.here / "fleet"),
            public=public,
            key_file=key_file,
            sops=sops,
            bin=folder,
            reports=reports,
        )

    return make


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a cluster's public certificate."""
    path = tmp_path / "cluster.pem"
    path.write_bytes(CERTIFICATE)
    return path


def changed_files(owner: Owner, branch: str) -> list[str]:
    return git(owner.origin, "diff", "--name-only", f"main...{branch}").splitlines()


def push(owner: Owner, **files: str) -> None:
    """Commit files to the base branch by hand."""
    here = owner.user.here
    git(here, "pull", "--quiet", "--ff-only", "origin", "main")
    for path, text in files.items():
        (here / path).write_text(text)
        git(here, "add", path)
    git(here, "commit", "--quiet", "-m", "By hand")
    git(here, "push", "--quiet", "origin", "HEAD:main")


# --- sops: from nothing to a decrypted file ---


def test_keys_are_proposed_merged_and_decrypted(fleet: Callable[..., Owner]) -> None:
    owner = fleet("sops")
    answer = owner.generate("--age", owner.public)
    request = answer["pull_request"]
    assert answer["outcome"] == "proposed"
    assert request["title"] == "example/staging: seal secrets"
    assert changed_files(owner, request["branch"]) == [SOPS_FILE]
    shown = owner.ask("pr", "show", str(request["number"]))
    assert [f for f in shown["findings"] if f["severity"] == "error"] == []

    owner.merge(answer)
    body = yaml.safe_load(owner.file(SOPS_FILE))
    assert sops_check(body) == ()
    assert body["metadata"] == {
        "name": "directus-secrets",
        "namespace": "example-staging",
    }
    values = owner.decrypted(owner.file(SOPS_FILE))
    assert set(values) == KEYS
    assert values["ADMIN_EMAIL"] == EMAIL
    assert all(
        re.fullmatch(r"[A-Za-z][A-Za-z0-9]{31,}", values[k])
        for k in KEYS - {"ADMIN_EMAIL"}
    )
    assert owner.ask("validate") == {"findings": []}
    rendered = owner.run("render", "example", "staging").out
    assert "kind: Secret\n" in rendered
    git(owner.origin, "fsck", "--strict")


def test_the_rules_in_the_repository_choose_who_can_decrypt(
    fleet: Callable[..., Owner],
) -> None:
    owner = fleet("sops")
    other = new_key()[0]
    push(
        owner,
        **{
            ".sops.yaml": "creation_rules:\n"
            f"  - path_regex: ^overlays/staging/\n    age: {owner.public}\n"
            f"  - path_regex: ^overlays/\n    age: {other}\n"
        },
    )
    owner.merge(owner.generate())
    body = yaml.safe_load(owner.file(SOPS_FILE))
    assert [r["recipient"] for r in body["sops"]["age"]] == [owner.public]


def test_without_a_recipient_nothing_is_made(fleet: Callable[..., Owner]) -> None:
    owner = fleet("sops")
    error = owner.refused(*GENERATE)
    assert "nobody is named" in error["message"]
    assert ".sops.yaml" in error["hint"]
    assert owner.ask("pr", "list")["pull_requests"] == []


def test_no_byte_of_a_value_is_left_anywhere(fleet: Callable[..., Owner]) -> None:
    owner = fleet("sops")
    first = owner.user.run(
        *GENERATE,
        "--age",
        owner.public,
        env=owner.env(),
        stdin=json.dumps({"ADMIN_EMAIL": EMAIL}),
    )
    owner.ask("pr", "merge", "1")
    before = owner.decrypted(owner.file(SOPS_FILE))
    second = owner.user.run(
        *ROTATE,
        "SECRET",
        "ADMIN_EMAIL",
        env=owner.env(private=True),
        stdin=f"ADMIN_EMAIL=second-{EMAIL}\n",
    )
    assert (first.code, second.code) == (0, 0), first.err + second.err
    owner.ask("pr", "merge", "2")
    after = owner.decrypted(owner.file(SOPS_FILE))
    private = owner.key_file.read_text().strip()
    canaries = {EMAIL, private, *before.values(), *after.values()}
    assert len(canaries) == 1 + len(KEYS) + 2
    forms = [c.encode() for c in canaries]
    forms += [base64.b64encode(form).rstrip(b"=") for form in forms]
    reports = sorted(owner.reports.iterdir())
    assert len(reports) == 3, "sops was to run, and be watched, three times"
    places = {
        "first answer": (first.out + first.err).encode(),
        "second answer": (second.out + second.err).encode(),
        **{p.name: p.read_bytes() for p in reports},
        **dict(written(owner)),
    }
    for place, content in places.items():
        assert not any(form in content for form in forms), f"{place} holds a value"


def written(owner: Owner) -> Iterator[tuple[str, bytes]]:
    """Yield every file that the commands left, and every object of every repository."""
    roots = (owner.user.data, owner.user.here, Path(os.environ["HOME"]))
    for root in roots:
        for path in root.rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield str(path), path.read_bytes()
    mirror = owner.user.data / "mirrors" / "fleet.git"
    for repository in (owner.origin, mirror, owner.user.here):
        done = subprocess.run(
            ["git", "cat-file", "--batch-all-objects", "--batch"],
            cwd=repository,
            check=True,
            capture_output=True,
        )
        assert b"encrypted_regex" in done.stdout
        yield f"objects of {repository}", done.stdout


# --- doing it twice ---


def test_asking_again_changes_nothing_while_the_request_is_open(
    fleet: Callable[..., Owner],
) -> None:
    owner = fleet("sops")
    first = owner.generate("--age", owner.public)
    refs = git(owner.origin, "for-each-ref")
    again = owner.ask(*GENERATE)
    assert again["outcome"] == "unchanged"
    assert again["pull_request"] == first["pull_request"]
    assert git(owner.origin, "for-each-ref") == refs


def test_keys_that_are_there_are_never_made_again(fleet: Callable[..., Owner]) -> None:
    owner = fleet("sops")
    owner.merge(owner.generate("--age", owner.public))
    error = owner.refused(*GENERATE, "--age", owner.public)
    assert "has keys already" in error["message"]
    assert "rotate" in error["hint"]


def test_a_closed_request_leaves_room_for_another(fleet: Callable[..., Owner]) -> None:
    owner = fleet("sops")
    owner.generate("--age", owner.public)
    owner.ask("pr", "close", "1")
    assert owner.generate("--age", owner.public)["pull_request"]["number"] == 2


def test_a_dry_run_proposes_nothing(fleet: Callable[..., Owner]) -> None:
    owner = fleet("sops")
    refs = git(owner.origin, "for-each-ref")
    answer = owner.generate("--age", owner.public, "--dry-run")
    assert answer["dry_run"] is True
    assert git(owner.origin, "for-each-ref") == refs
    assert owner.ask("pr", "list")["pull_requests"] == []


# --- rotating ---


@pytest.fixture
def sealed(fleet: Callable[..., Owner]) -> Owner:
    """Return somebody whose keys are merged, encrypted by sops."""
    owner = fleet("sops")
    owner.merge(owner.generate("--age", owner.public))
    return owner


def test_a_rotated_key_is_new_and_the_others_stay(sealed: Owner) -> None:
    before = sealed.decrypted(sealed.file(SOPS_FILE))
    answer = sealed.ask(*ROTATE, "SECRET", private=True)
    assert changed_files(sealed, answer["pull_request"]["branch"]) == [SOPS_FILE]
    (finding,) = [f for f in answer["findings"] if f["rule"] == "key-rotated"]
    assert "everybody is logged out" in finding["message"]
    assert "everybody is logged out" in answer["pull_request"]["body"]
    sealed.merge(answer)
    after = sealed.decrypted(sealed.file(SOPS_FILE))
    assert {k for k in KEYS if after[k] != before[k]} == {"SECRET"}
    assert sealed.ask("validate") == {"findings": []}


def test_a_second_rotation_keeps_the_first_one(sealed: Owner) -> None:
    before = sealed.decrypted(sealed.file(SOPS_FILE))
    sealed.ask(*ROTATE, "SECRET", private=True)
    answer = sealed.ask(*ROTATE, "ADMIN_PASSWORD", private=True)
    assert answer["outcome"] == "updated"
    told = [f["message"] for f in answer["findings"] if f["rule"] == "key-rotated"]
    assert [message.split()[0] for message in told] == ["SECRET", "ADMIN_PASSWORD"]
    sealed.merge(answer)
    after = sealed.decrypted(sealed.file(SOPS_FILE))
    changed = {k for k in KEYS if after[k] != before[k]}
    assert changed == {"SECRET", "ADMIN_PASSWORD"}


def test_rotating_needs_the_private_key_and_says_so(sealed: Owner) -> None:
    error = sealed.refused(*ROTATE, "SECRET")
    assert error["code"] == "tool"
    assert "SOPS_AGE_KEY_FILE" in error["hint"]


def test_what_the_cluster_alone_cannot_change_needs_a_persons_word_and_value(
    sealed: Owner,
) -> None:
    error = sealed.refused(*ROTATE, "DB_PASSWORD", private=True)
    assert "DB_PASSWORD" in error["message"]
    assert "ALTER USER" in error["hint"]
    assert "--done-elsewhere" in error["hint"]
    command = (*ROTATE, "DB_PASSWORD", "--done-elsewhere")
    assert "DB_PASSWORD" in sealed.refused(*command, private=True)["message"]
    answer = sealed.ask(*command, private=True, stdin=f"DB_PASSWORD={CHOSEN}\n")
    (finding,) = [f for f in answer["findings"] if f["rule"] == "key-rotated"]
    assert finding["severity"] == "warning"
    sealed.merge(answer)
    values = sealed.decrypted(sealed.file(SOPS_FILE))
    assert values["DB_PASSWORD"] == CHOSEN


def test_an_optional_key_is_added_when_a_person_brings_it(sealed: Owner) -> None:
    stdin = "LICENSE_KEY=ABC-123\n"
    answer = sealed.ask(*ROTATE, "LICENSE_KEY", private=True, stdin=stdin)
    assert [f["rule"] for f in answer["findings"] if f["rule"].startswith("key-")] == [
        "key-added"
    ]
    sealed.merge(answer)
    assert set(sealed.decrypted(sealed.file(SOPS_FILE))) == KEYS | {"LICENSE_KEY"}


def test_rotating_before_there_are_keys_is_refused(fleet: Callable[..., Owner]) -> None:
    error = fleet("sops").refused(*ROTATE, "SECRET")
    assert "has no keys yet" in error["message"]


def test_a_value_in_the_arguments_is_refused_and_not_repeated(sealed: Owner) -> None:
    for argument in ("SECRET=hunter2hunter2", "hunter2hunter2"):
        answer = sealed.run(*ROTATE, argument, private=True)
        assert answer.code == 1
        assert "hunter2" not in answer.out + answer.err
    assert sealed.ask("pr", "list")["pull_requests"] == []


def test_an_open_rotation_never_undoes_a_later_change_of_the_file(
    sealed: Owner,
) -> None:
    rotated = sealed.ask(*ROTATE, "SECRET", private=True)
    by_hand = sealed.file(SOPS_FILE) + "# edited\n"
    push(sealed, **{SOPS_FILE: by_hand})
    error = sealed.refused("set", "example", "staging", "FEATURE_X=1")
    assert error["code"] == "plan"
    assert SOPS_FILE in error["message"]
    sealed.ask("pr", "close", str(rotated["pull_request"]["number"]))
    assert sealed.file(SOPS_FILE) == by_hand
    assert sealed.ask(*ROTATE, "SECRET", private=True)["outcome"] == "proposed"


# --- sealed-secrets: kubeseal is played ---


def test_sealed_keys_are_proposed_and_rotated_without_a_private_key(
    fleet: Callable[..., Owner], certificate: Path
) -> None:
    owner = fleet("sealed-secrets", "--cache", "redis")
    answer = owner.generate("--certificate", str(certificate))
    assert changed_files(owner, answer["pull_request"]["branch"]) == [SEALED_FILE]
    owner.merge(answer)
    body = yaml.safe_load(owner.file(SEALED_FILE))
    assert sealed_check(body) == ()
    before = sealed_values(body)
    assert set(before) == KEYS | {"REDIS_PASSWORD"}
    assert body["metadata"]["namespace"] == "example-staging"
    assert owner.ask("validate") == {"findings": []}

    one = owner.ask(*ROTATE, "SECRET", "--certificate", str(certificate))
    two = owner.ask(*ROTATE, "REDIS_PASSWORD", "--certificate", str(certificate))
    assert (one["outcome"], two["outcome"]) == ("proposed", "updated")
    owner.merge(two)
    after = sealed_values(yaml.safe_load(owner.file(SEALED_FILE)))
    changed = {key for key in before if after[key] != before[key]}
    assert changed == {"SECRET", "REDIS_PASSWORD"}
    for report in owner.reports.iterdir():
        assert EMAIL not in report.read_text()


def test_sealing_needs_the_certificate_of_the_cluster(
    fleet: Callable[..., Owner], tmp_path: Path
) -> None:
    owner = fleet("sealed-secrets")
    assert "--certificate" in owner.refused(*GENERATE)["hint"]
    missing = str(tmp_path / "none.pem")
    assert (
        "cannot be read"
        in owner.refused(*GENERATE, "--certificate", missing)["message"]
    )
    assert list(owner.reports.iterdir()) == []


def test_of_two_people_who_make_keys_at_once_one_is_told_to_look_again(
    fleet: Callable[..., Owner], certificate: Path
) -> None:
    owner = fleet("sealed-secrets")
    command = [str(PROGRAM), *GENERATE, "--certificate", str(certificate)]
    flag = owner.reports / "first"
    program(
        owner.bin,
        "kubeseal",
        f"""
import subprocess
if not pathlib.Path({str(flag)!r}).exists():
    pathlib.Path({str(flag)!r}).touch()
    subprocess.run({command!r}, cwd={str(owner.user.here)!r}, check=True,
                   env={owner.user.environment(owner.env())!r},
                   input=b"ADMIN_EMAIL=b@example.com", stdout=subprocess.DEVNULL)
{SEAL}print(yaml.safe_dump(body))
""",
    )
    error = owner.refused(
        *GENERATE,
        "--certificate",
        str(certificate),
        stdin="ADMIN_EMAIL=a@example.com",
    )
    assert "has changed while its keys were made" in error["message"]
    assert len(owner.ask("pr", "list")["pull_requests"]) == 1


# --- existing and external-secrets: nothing goes into Git ---


def clean(owner: Owner, values: Iterable[str]) -> None:
    """Check that no value was left behind."""
    for root in (owner.user.data, owner.user.here):
        for path in root.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not any(v.encode() in content for v in values), path


def test_the_secret_is_printed_for_a_pipe_and_named_on_standard_error(
    fleet: Callable[..., Owner],
) -> None:
    owner = fleet("existing")
    refs = git(owner.origin, "for-each-ref")
    answer = owner.run(*GENERATE, stdin=f"# mine\n\nADMIN_EMAIL={EMAIL}\n")
    assert answer.code == 0, answer.err
    body = yaml.safe_load(answer.out)
    assert (body["kind"], body["metadata"]["namespace"]) == (
        "Secret",
        "example-staging",
    )
    values = body["stringData"]
    assert set(values) == KEYS
    assert "kubectl create" in answer.err
    assert not any(value in answer.err for value in values.values())
    assert git(owner.origin, "for-each-ref") == refs
    clean(owner, values.values())
    entry = owner.ask("audit", "export")["entries"][-1]
    assert entry["action"] == "keys handed out"
    assert ", ".join(sorted(KEYS)) in entry["details"]


def test_with_json_the_secret_itself_is_the_one_document(
    fleet: Callable[..., Owner],
) -> None:
    body = fleet("existing").ask(*GENERATE, stdin=f"ADMIN_EMAIL={EMAIL}")
    assert body["kind"] == "Secret"
    assert set(body["stringData"]) == KEYS


def test_a_dry_run_names_the_keys_and_makes_none(fleet: Callable[..., Owner]) -> None:
    answer = fleet("existing").ask(*GENERATE, "--dry-run")
    assert {k["name"]: k["value"] for k in answer["keys"]} == {
        key: "yours" if key == "ADMIN_EMAIL" else "made" for key in KEYS
    }


def test_a_private_file_is_written_outside_git_only(
    fleet: Callable[..., Owner], tmp_path: Path
) -> None:
    owner = fleet("existing")
    stdin = f"ADMIN_EMAIL={EMAIL}"
    inside = owner.user.here / "base" / "secret.yaml"
    error = owner.refused(*GENERATE, "--output", str(inside), stdin=stdin)
    assert "Git work tree" in error["message"]
    assert not inside.exists()
    path = tmp_path / "secret.yaml"
    answer = owner.ask(*GENERATE, "--output", str(path), stdin=stdin)
    assert answer["outcome"] == "written"
    assert set(answer["keys"]) == KEYS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    values = yaml.safe_load(path.read_text())["stringData"]
    assert set(values) == KEYS
    assert EMAIL not in json.dumps(answer)
    assert (
        "already"
        in owner.refused(*GENERATE, "--output", str(path), stdin=stdin)["message"]
    )
    clean(owner, values.values())


def test_rotating_prints_only_the_keys_that_change(
    fleet: Callable[..., Owner],
) -> None:
    answer = fleet("existing").run(*ROTATE, "SECRET")
    assert set(yaml.safe_load(answer.out)["stringData"]) == {"SECRET"}
    assert "patch secret directus-secrets" in answer.err
    assert "rollout restart" in answer.err
    assert "everybody is logged out" in answer.err


def test_the_stores_entry_is_printed_as_one_json_object(
    fleet: Callable[..., Owner],
) -> None:
    owner = fleet("external-secrets", "--storage", "s3")
    brought = {
        "ADMIN_EMAIL": EMAIL,
        "STORAGE_S3_KEY": "AKIAEXAMPLE",
        "STORAGE_S3_SECRET": "a,b = c",
    }
    values = owner.ask(*GENERATE, stdin=json.dumps(brought))
    assert values.keys() == KEYS | brought.keys()
    assert {name: values[name] for name in brought} == brought
    rotated = owner.ask(*ROTATE, "SECRET", "ADMIN_PASSWORD")
    assert rotated.keys() == {"SECRET", "ADMIN_PASSWORD"}


def test_the_password_of_a_foreign_database_is_never_made_up(
    fleet: Callable[..., Owner],
) -> None:
    owner = fleet("existing", "--database", "external")
    error = owner.refused(*GENERATE, stdin=f"ADMIN_EMAIL={EMAIL}")
    assert "DB_PASSWORD" in error["message"]
    body = owner.ask(*GENERATE, stdin=f"ADMIN_EMAIL={EMAIL}\nDB_PASSWORD={CHOSEN}")
    assert body["stringData"]["DB_PASSWORD"] == CHOSEN


def test_a_key_that_could_be_made_may_be_asked_for(
    fleet: Callable[..., Owner],
) -> None:
    owner = fleet("existing")
    stdin = f"ADMIN_EMAIL={EMAIL}\n"
    error = owner.refused(*GENERATE, "--ask", "ADMIN_TOKEN", stdin=stdin)
    assert "ADMIN_TOKEN" in error["message"]
    assert "ADMIN_TOKEN" in owner.refused(*GENERATE, "--ask", "X", stdin=stdin)["hint"]
    body = owner.ask(
        *GENERATE, "--ask", "ADMIN_TOKEN", stdin=f"{stdin}ADMIN_TOKEN={CHOSEN}\n"
    )
    assert body["stringData"]["ADMIN_TOKEN"] == CHOSEN


# --- people and rules ---


@pytest.mark.parametrize(
    ("choice", "option", "value"),
    [
        ("existing", "--age", "age1x"),
        ("existing", "--certificate", "x.pem"),
        ("sops", "--output", "x.yaml"),
        ("sops", "--certificate", "x.pem"),
        ("sealed-secrets", "--age", "age1x"),
    ],
)
def test_an_option_of_another_way_is_a_wrong_use(
    fleet: Callable[..., Owner], choice: str, option: str, value: str
) -> None:
    answer = fleet(choice).run(*GENERATE, option, value)
    assert answer.code == 2
    assert option in answer.err


def test_holds_and_the_pause_switch_stop_a_proposal(sealed: Owner) -> None:
    sealed.ask("pause")
    assert sealed.refused(*ROTATE, "SECRET", private=True)["code"] == "held"
    sealed.ask("resume")
    sealed.ask("hold", "example", "staging", "--reason", "audit week")
    error = sealed.refused(*ROTATE, "SECRET", private=True)
    assert (error["code"], "audit week" in error["message"]) == ("held", True)
    assert sealed.ask("pr", "list")["pull_requests"] == []


def test_an_overlay_that_was_changed_by_hand_says_what_counts(
    fleet: Callable[..., Owner],
) -> None:
    owner = fleet("sops")
    path = f"{FOLDER}/kustomization.yaml"
    push(
        owner,
        **{
            path: "".join(
                line
                for line in owner.file(path).splitlines(keepends=True)
                if "secrets.enc.yaml" not in line
            )
        },
    )
    answer = owner.run(*GENERATE, stdin=f"ADMIN_EMAIL={EMAIL}")
    assert answer.code == 0, answer.err
    assert yaml.safe_load(answer.out)["kind"] == "Secret"
    assert "made with sops, but this overlay has existing" in answer.err


SEALED_ELSEWHERE = """
apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata: {name: directus-secrets}
"""


def test_an_overlay_that_makes_its_secret_twice_is_refused(
    fleet: Callable[..., Owner],
) -> None:
    error = with_resources(fleet("sops"), {"sealed-secret.yaml": "# later\n"})
    assert "in more than one way: sealed-secrets, sops" in error["message"]


def test_a_secret_from_a_file_of_its_own_is_left_alone(
    fleet: Callable[..., Owner],
) -> None:
    error = with_resources(fleet("existing"), {"own.yaml": SEALED_ELSEWHERE})
    assert "from a file of its own" in error["message"]


def test_an_overlay_in_no_namespace_is_refused(fleet: Callable[..., Owner]) -> None:
    owner = fleet("existing")
    path = f"{FOLDER}/kustomization.yaml"
    text = owner.file(path).replace("namespace: example-staging\n", "")
    push(owner, **{path: text})
    assert "not in one namespace" in owner.refused(*GENERATE)["message"]


def with_resources(owner: Owner, files: dict[str, str]) -> dict[str, str]:
    """Push resources of an overlay by hand, and ask for keys."""
    path = f"{FOLDER}/kustomization.yaml"
    names = "".join(f"  - {name}\n" for name in files)
    text = owner.file(path).replace("resources:\n", f"resources:\n{names}")
    push(owner, **{f"{FOLDER}/{name}": files[name] for name in files}, **{path: text})
    return owner.refused(*GENERATE)


def test_a_request_that_was_closed_elsewhere_counts_no_longer(sealed: Owner) -> None:
    before = sealed.decrypted(sealed.file(SOPS_FILE))
    first = sealed.ask(*ROTATE, "SECRET", private=True)
    number = first["pull_request"]["number"]
    forge = EmbeddedForge(
        BareRepository(sealed.origin),
        sealed.origin.with_suffix(".db"),
        public_url=None,
    )
    forge.close(number, by="eve", now=datetime(2031, 1, 1, tzinfo=UTC))
    second = sealed.ask(*ROTATE, "ADMIN_PASSWORD", private=True)
    assert second["pull_request"]["number"] == number + 1
    sealed.merge(second)
    after = sealed.decrypted(sealed.file(SOPS_FILE))
    assert {k for k in KEYS if after[k] != before[k]} == {"ADMIN_PASSWORD"}


def typed(owner: Owner, *lines: str, arguments: tuple[str, ...]) -> Answer:
    """Run a command at a terminal and type lines, one for each question."""
    out = owner.reports / "stdout"
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover  # the child
        os.chdir(owner.user.here)
        os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT), 1)
        os.execve(PROGRAM, [str(PROGRAM), *arguments], owner.user.environment())  # noqa: S606
    screen = b""
    waiting = list(lines)
    while True:
        try:
            seen = os.read(terminal, 4096)
        except OSError:  # the terminal has no writer any more
            seen = b""
        if not seen:
            break
        screen += seen
        if waiting and screen.endswith(b": "):
            os.write(terminal, f"{waiting.pop(0)}\n".encode())
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return Answer(code=code, out=out.read_text(), err=screen.decode())


def test_at_a_terminal_values_are_asked_for_twice_and_not_shown(
    fleet: Callable[..., Owner],
) -> None:
    owner = fleet("existing")
    answer = typed(owner, EMAIL, "a typo", EMAIL, EMAIL, arguments=GENERATE)
    assert answer.code == 0, answer.err
    assert yaml.safe_load(answer.out)["stringData"]["ADMIN_EMAIL"] == EMAIL
    assert "ADMIN_EMAIL (the first administrator's login)" in answer.err
    assert answer.err.count("ADMIN_EMAIL again") == 2
    assert EMAIL not in answer.err
    assert sys.executable not in answer.err


def test_an_interrupted_question_leaves_nothing(fleet: Callable[..., Owner]) -> None:
    owner = fleet("existing")
    answer = typed(owner, "\x03", arguments=GENERATE)
    assert (answer.code, answer.out) == (130, "")
