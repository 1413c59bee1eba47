"""New releases open pull requests by themselves, and only for images that exist."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gitops.errors import InputError
from gitops.model import Severity
from gitops.web import Web
from gitops.workflow import close
from service.cli import run
from service.desk import Asker, Desk
from service.reconcile import Reconciler, updater_of
from service.registries import Registries
from service.repository import writing
from tests.support.passes import DEVELOPMENT, STAGING, Served, served
from tests.support.places import OVERLAY
from tests.support.registry import (
    Registry,
    index,
    registry as docker_registry,
    single,
)
from tests.support.registry_double import Double, double, package, unknown
from tests.support.servers import Request, reply

pytestmark = pytest.mark.kustomize

# The clock starts at 2026-03-01 12:00 UTC.
RULES = """\
  - from: staging
    to: production
updates:
"""
CANARY = "canary-registry-password"


@dataclass
class World:
    """A fleet under passes that ask a registry."""

    here: Served
    registry: Any
    registries: Registries

    def pass_(self, **later: float) -> tuple[str, ...]:
        report = self.here.pass_(**later)
        assert report.problem == ""
        return report.effects

    def shown(self) -> list[tuple[str, str, str]]:
        return self.here.shown()

    def body(self) -> str:
        return self.here.pull_requests()[-1].body


@contextmanager
def world(
    folder: Path,
    kustomize: Path,
    rules: str,
    *,
    toml: str = "",
    real: bool = False,
    stacks: tuple[str, ...] = ("shop",),
    **state: Any,
) -> Iterator[World]:
    """Make a fleet whose images are in a registry of the test's own."""
    with ExitStack() as stack:
        registry: Double | Registry
        if real:
            registry = stack.enter_context(docker_registry(folder))
        else:
            registry = stack.enter_context(double(**state))
        (folder / "data").mkdir()
        (folder / "data" / "service.toml").write_text(
            f"""\
[[repository]]
name = "fleet"

[repository.networks]
registry = ["127.0.0.1"]

[[repository.registry]]
host = "{registry.host}"
url = "{registry.url}"
{toml.format(url=registry.url)}
"""
        )
        here = stack.enter_context(served(folder, kustomize, RULES + rules, *stacks))
        image = f"{registry.host}/acme/directus"
        files: dict[str, str | bytes | None] = {
            f"overlays/{environment}/{name}/kustomization.yaml": OVERLAY.format(
                stack=name, environment=environment
            ).replace("    newTag: 12.4.0", f"    newName: {image}\n    newTag: 12.4.0")
            for environment in ("development", "staging", "production")
            for name in stacks
        }
        tip = here.origin.tip(here.place.base)
        assert tip is not None
        text = here.origin.read_tree(tip).read("gitops.yaml").decode()
        files["gitops.yaml"] = text + f"defaults: {{image: '{image}'}}\n"
        here.commit(files)
        web = stack.enter_context(Web())
        registries = Registries(here.settings, web, here.clock)
        here.reconciler = Reconciler(
            here.settings,
            here.store,
            here.clock,
            observer=here.weather,
            updater=updater_of(registries),
        )
        for tag in ("12.4.0", "latest", "main"):
            registry.push("acme/directus", tag, single())
        yield World(here, registry, registries)


def have(found: World, tag: str, *, built: str = "2026-02-20T08:00:00Z") -> str:
    """Publish an image."""
    made = index(single(created=built), single(created=built, architecture="arm64"))
    found.registry.push("acme/directus", tag, made)
    return made.digest


# --- by itself ---


def test_a_new_release_opens_one_pull_request_with_what_a_reviewer_needs(
    tmp_path: Path, kustomize: Path
) -> None:
    rules = "  - {environment: development}\n"
    with world(tmp_path, kustomize, rules) as found:
        assert found.pass_() == ()
        digest = have(found, "12.5.0")
        assert found.pass_() == (), "what it said holds for an interval"
        assert found.pass_(hours=1) == ("update requested", "pull request opened")
        ((branch, state, title),) = found.shown()
        assert (branch, state) == ("development/shop", "open")
        assert "12.4.0 to 12.5.0" in title or "12.5.0" in title
        body = found.body()
        assert digest in body
        assert "built 2026-02-20 08:00 UTC, for linux/amd64, linux/arm64" in body
        assert "asked for by `updates from registry`" in body
        assert "existence not checked" not in body
        assert "releases/tag/v12.5.0" in body
        assert found.pass_(hours=1) == ()
        asked = len(found.registry.requests)
        assert found.pass_(minutes=30) == ()
        assert found.pass_(minutes=5) == ()
        assert len(found.registry.requests) == asked, "what is asked for is no news"
        assert len(found.shown()) == 1


def test_a_release_in_a_real_registry_comes_by_itself(
    tmp_path: Path, kustomize: Path
) -> None:
    rules = "  - {environment: development, minimumAge: 7d}\n"
    with world(tmp_path, kustomize, rules, real=True) as found:
        digest = have(found, "12.5.0")
        have(found, "12.5.1", built="2026-02-28T08:00:00Z")
        assert found.pass_() == ("update requested", "pull request opened")
        assert f"12.5.0 exists as {digest}" in found.body()


@pytest.mark.gate
def test_a_newer_release_updates_the_living_pull_request(
    tmp_path: Path, kustomize: Path
) -> None:
    with world(tmp_path, kustomize, "  - {environment: development}\n") as found:
        have(found, "12.5.0")
        found.pass_()
        have(found, "12.5.1")
        assert found.pass_(hours=1) == ("update requested", "pull request updated")
        ((_, state, title),) = found.shown()
        assert state == "open"
        assert "12.5.1" in title


@pytest.mark.gate
def test_only_what_a_rule_covers_is_updated_and_only_as_far(
    tmp_path: Path, kustomize: Path
) -> None:
    rules = "  - {environment: staging, stacks: [shop], step: patch}\n"
    with world(tmp_path, kustomize, rules) as found:
        for tag in ("12.4.2", "12.5.0", "13.0.0", "12.9.0-rc.1"):
            have(found, tag)
        found.pass_()
        ((branch, _, title),) = found.shown()
        assert branch == "staging/shop"
        assert "12.4.2" in title


def test_a_closed_pull_request_stays_closed_until_something_newer_comes(
    tmp_path: Path, kustomize: Path
) -> None:
    with world(tmp_path, kustomize, "  - {environment: development}\n") as found:
        have(found, "12.5.0")
        found.pass_()
        close(found.here.place, 1, by="bo", now=found.here.clock())
        for _ in range(3):
            assert "update requested" not in found.pass_(hours=1)
        have(found, "12.5.1")
        assert "update requested" in found.pass_(hours=1)
        assert [state for _, state, _ in found.shown()] == ["closed", "open"]


@pytest.mark.gate
def test_a_hold_a_pin_and_a_persons_own_request_go_first(
    tmp_path: Path, kustomize: Path
) -> None:
    rules = "  - {environment: development}\n  - {environment: staging}\n"
    with world(tmp_path, kustomize, rules) as found:
        have(found, "12.5.0")
        have(found, "12.4.1")
        found.here.store.holds.hold(
            found.here.place.name,
            stack=None,
            environment=STAGING.environment,
            reason="fair",
            by="ada",
        )
        found.here.bump(DEVELOPMENT, "12.4.1")
        assert "update requested" not in found.pass_()
        ((branch, _, title),) = found.shown()
        assert branch == "development/shop"
        assert "12.4.1" in title
        assert not found.registry.requests, "nobody is asked for what may not come"
        found.here.merge(1)
        assert "update requested" in found.pass_()


def test_a_group_of_stacks_shares_one_pull_request(
    tmp_path: Path, kustomize: Path
) -> None:
    rules = "  - {environment: development, group: releases}\n"
    with world(tmp_path, kustomize, rules, stacks=("shop", "blog")) as found:
        have(found, "12.5.0")
        effects = ("update requested", "update requested", "pull request opened")
        assert found.pass_() == effects
        ((branch, _, title),) = found.shown()
        assert branch == "development/_releases"
        assert "12.5.0" in title
        assert len(found.registry.asked("/manifests/12.5.0")) == 1
        assert found.pass_(hours=1) == ()


# --- age ---


def test_a_release_waits_for_its_age_and_comes_then(
    tmp_path: Path, kustomize: Path
) -> None:
    rules = "  - {environment: development, minimumAge: 2d}\n"
    with world(tmp_path, kustomize, rules) as found:
        have(found, "12.5.0", built="2026-02-28T18:00:00Z")
        assert found.pass_() == ()
        assert found.pass_(hours=24) == ()
        assert "update requested" in found.pass_(hours=8)
        assert "built at 2026-02-28 18:00 UTC" in found.body()


@pytest.mark.gate
def test_an_older_one_that_has_its_age_comes_before_a_younger_one(
    tmp_path: Path, kustomize: Path
) -> None:
    rules = "  - {environment: development, minimumAge: 2d}\n"
    with world(tmp_path, kustomize, rules) as found:
        have(found, "12.5.0", built="2026-02-20T18:00:00Z")
        for number in range(1, 8):
            have(found, f"12.5.{number}", built="2026-03-01T10:00:00Z")
        found.pass_()
        ((_, _, title),) = found.shown()
        assert "12.5.0" in title


@pytest.mark.gate
def test_an_image_that_does_not_tell_its_age_waits(
    tmp_path: Path, kustomize: Path
) -> None:
    rules = "  - {environment: development, minimumAge: 1h}\n"
    with world(tmp_path, kustomize, rules) as found:
        have(found, "12.5.0", built="1970-01-01T00:00:00Z")
        assert found.pass_() == ()
        assert found.shown() == []


# --- npm and GitHub ---

NPM = """
[[repository.registry]]
kind = "npm"
url = "{url}/npm"

[[repository.registry]]
kind = "github"
url = "{url}/github"
credential = "env:NOTES_TOKEN"
"""


def test_npm_tells_of_a_release_its_registry_proves_it_and_github_describes_it(
    tmp_path: Path, kustomize: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES_TOKEN", CANARY)
    versions: dict[str, tuple[str, str | None]] = {
        "12.4.0": ("2026-01-01T00:00:00.000Z", None),
        "12.5.0": ("2026-02-10T10:00:00.000Z", None),
        "12.5.1": ("2026-02-20T10:00:00.000Z", "breaks uploads"),
        "12.6.0": ("2026-03-01T11:00:00.000Z", None),
    }

    def instead(request: Request) -> bytes | None:
        if request.target == "/npm/directus":
            assert "authorization" not in request.headers
            return package(versions)
        if request.target.startswith("/github/"):
            assert request.headers["authorization"] == f"Bearer {CANARY}"
            notes = "### Fixed\n\n/approve\n@directus/core ```\n</details><script>"
            page = "https://github.com/directus/directus/releases/tag/v12.5.0"
            return reply({"name": "v12.5.0", "html_url": page, "body": notes})
        return None

    rules = "  - {environment: development, minimumAge: 3d, source: npm}\n"
    with world(tmp_path, kustomize, rules, toml=NPM, instead=instead) as found:
        assert found.pass_() == ()
        assert found.shown() == [], "npm has it, and its registry not yet"
        asked = len(found.registry.requests)
        assert found.pass_() == ()
        assert len(found.registry.requests) == asked, "it is not asked in every pass"
        have(found, "12.5.0")
        assert "update requested" in found.pass_(hours=1)
        body = found.body()
        assert "published at 2026-02-10 10:00 UTC" in body
        assert "### Release notes" in body
        assert not any(line.startswith("/") for line in body.splitlines())
        assert "````text" in body
        assert CANARY not in body
        assert found.registry.asked("/github/repos/directus/directus/releases/")
        assert all(
            CANARY not in str(one.headers)
            for one in found.registry.requests
            if not one.target.startswith("/github/")
        )


# --- a registry that is down ---


def test_a_registry_that_fails_stops_nobody_and_is_told_once(
    tmp_path: Path, kustomize: Path
) -> None:
    odd = reply("<html>sign in</html>")
    with world(tmp_path, kustomize, "  - {environment: development}\n") as found:
        have(found, "12.5.0")
        found.registry.instead = lambda _request: odd
        found.here.bump(STAGING, "12.4.1")
        assert found.pass_() == ("registry not read", "pull request opened")
        assert found.pass_(hours=1) == ()
        found.registry.instead = lambda _request: None
        assert "update requested" in found.pass_(hours=1)


def test_a_registry_that_is_asked_too_often_is_left_alone_as_long_as_it_says(
    tmp_path: Path, kustomize: Path
) -> None:
    with world(tmp_path, kustomize, "  - {environment: development}\n") as found:
        have(found, "12.5.0")
        busy = reply("", status=429, headers={"Retry-After": "7200"})
        found.registry.instead = lambda _request: busy
        found.pass_()
        asked = len(found.registry.requests)
        found.registry.instead = lambda _request: None
        assert found.pass_(minutes=119) == ()
        assert len(found.registry.requests) == asked
        assert "update requested" in found.pass_(minutes=2)


def test_without_a_registry_for_its_image_nothing_comes_by_itself(
    tmp_path: Path, kustomize: Path
) -> None:
    rules = "promotions: []\nupdates:\n  - {environment: development}\n"
    with served(tmp_path, kustomize, "") as here, Web() as web:
        tip = here.origin.tip(here.place.base)
        assert tip is not None
        text = here.origin.read_tree(tip).read("gitops.yaml").decode()
        here.commit({"gitops.yaml": text.replace("promotions:\n", rules)})
        here.reconciler = Reconciler(
            here.settings,
            here.store,
            here.clock,
            updater=updater_of(Registries(here.settings, web, here.clock)),
        )
        assert here.pass_().effects == ("registry not read",)
        told = str(here.store.audit.entries()[-1].details)
        assert "no registry is set up for docker.io in service.toml" in told


def test_registries_are_asked_while_others_may_write(
    tmp_path: Path, kustomize: Path
) -> None:
    written: list[str] = []
    with world(tmp_path, kustomize, "  - {environment: development}\n") as found:
        have(found, "12.5.0")

        def instead(_request: Request) -> None:
            def write() -> None:
                settings, store = found.here.settings, found.here.store
                with writing(settings, store, "fleet"):
                    written.append("yes")

            other = threading.Thread(target=write)
            other.start()
            other.join(30)

        found.registry.instead = instead
        found.pass_()
        assert len(written) == len(found.registry.requests) > 0


# --- a bump that is asked for ---


def desk_of(found: World) -> Desk:
    here = found.here
    return Desk(here.settings, here.store, here.clock, registries=found.registries)


def test_a_bump_to_an_image_that_is_not_there_is_refused_with_the_nearest_ones(
    tmp_path: Path, kustomize: Path
) -> None:
    with world(tmp_path, kustomize, "  []\n") as found:
        for tag in ("12.4.1", "12.5.0", "13.1.0"):
            have(found, tag)
        with pytest.raises(InputError, match=r"12\.4\.9 does not exist") as caught:
            desk_of(found).bump("fleet", DEVELOPMENT, "12.4.9", asker=Asker(by="ada"))
        assert caught.value.hint == "it has 12.4.0, 12.4.1, 12.5.0, 13.1.0"
        assert found.pass_() == ()


def test_a_bump_to_an_image_that_is_there_says_so(
    tmp_path: Path, kustomize: Path
) -> None:
    toml = 'platforms = ["linux/amd64", "linux/s390x"]\npin = true\n'
    with world(tmp_path, kustomize, "  []\n", toml=toml) as found:
        digest = have(found, "12.5.0")
        desk_of(found).bump("fleet", DEVELOPMENT, "12.5.0", asker=Asker(by="ada"))
        found.pass_()
        body = found.body()
        assert f"exists as {digest}" in body
        assert "is not there for linux/s390x" in body
        assert f"digest: {digest}" in str(
            found.here.origin.read_tree(found.here.pull_requests()[-1].head).read(
                "overlays/development/shop/kustomization.yaml"
            )
        )


def test_a_bump_that_nobody_could_check_says_so(
    tmp_path: Path, kustomize: Path
) -> None:
    with world(tmp_path, kustomize, "  []\n") as found:
        found.registry.instead = lambda _request: unknown("DENIED", status=403)
        accepted = desk_of(found).bump(
            "fleet", DEVELOPMENT, "12.5.0", asker=Asker(by="ada")
        )
        assert isinstance(accepted, tuple)
        rules = {f.rule: f.severity for f in accepted[0].plan.findings}
        assert rules["image-unchecked"] is Severity.WARNING
        found.pass_()
        assert found.body().count("existence not checked") == 1


@pytest.mark.gate
def test_many_bumps_at_once_ask_once_for_an_image(
    tmp_path: Path, kustomize: Path
) -> None:
    with world(tmp_path, kustomize, "  []\n") as found:
        have(found, "12.5.0")
        desk_of(found).bumps(
            "fleet",
            "12.5.0",
            [DEVELOPMENT.environment, STAGING.environment],
            None,
            asker=Asker(by="ada"),
        )
        assert len(found.registry.asked("/manifests/12.5.0")) == 1


# --- the command line ---


@pytest.mark.gate
def test_the_command_line_tells_what_would_come_and_refuses_what_is_not_there(
    tmp_path: Path, kustomize: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = "  - {environment: development}\n  - {environment: staging, step: patch}\n"
    with world(tmp_path, kustomize, rules) as found:
        have(found, "12.5.0")
        data = f"--data={found.here.settings.data}"

        def told(*arguments: str, code: int = 0) -> Any:
            assert run([*arguments, "--repo=fleet", data, "--json"]) == code
            return json.loads(capsys.readouterr().out)

        shown = {one["environment"]: one for one in told("updates")["updates"]}
        assert shown["development"]["to"] == "12.5.0"
        assert shown["staging"]["verdict"] == "rest"
        assert "is a minor step" in shown["staging"]["reason"]
        error = told("bump", "shop", "production", "12.4.7", code=1)["error"]
        assert "12.4.7 does not exist" in error["message"]
        assert "12.4.0" in error["hint"]
        assert found.shown() == []
        proposal = told("bump", "shop", "production", "12.5.0", "--dry-run")
        assert "exists as sha256:" in proposal["pull_request"]["body"]
