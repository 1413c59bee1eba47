"""One more stack, one more environment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gitops.edit import edit
from gitops.errors import GitopsError, InputError, PlanError, UnknownNameError
from gitops.fleet import read_fleet
from gitops.layout import GENERATED_FILE, environment_name, stack_name
from gitops.model import (
    Environment,
    EnvironmentScope,
    Fleet,
    Plan,
    PlanKind,
    StackScope,
    Tree,
    tree_of,
)
from gitops.overlay import list_overlays
from gitops.scaffold import (
    plan_add_environment,
    plan_add_stack,
    plan_init,
    read_generated,
    read_options,
)
from gitops.scaffold.fleetfile import with_environment
from gitops.scaffold.linemerge import merged
from tests.golden.cases import CASES, generated

STACK = stack_name("shop")
QA = environment_name("qa")
STAGING = environment_name("staging")


def made(**choices: str) -> tuple[Tree, Fleet]:
    options = read_options(directus_version="12.4.0", choices=choices)
    tree = tree_of(generated(options))
    return tree, read_fleet(tree.read("gitops.yaml"))


def applied(tree: Tree, fleet: Fleet, plan: Plan) -> Tree:
    return tree.with_edits(edit(tree, fleet, plan.changes))


def with_stack(tree: Tree, fleet: Fleet, **more: Any) -> Plan:
    return plan_add_stack(tree, fleet, STACK, requested_by="me", **more)


def with_qa(tree: Tree, fleet: Fleet, **more: Any) -> Plan:
    return plan_add_environment(tree, fleet, QA, requested_by="me", **more)


def changed(tree: Tree, after: Tree) -> set[str]:
    return {
        path
        for path in {*tree.entries, *after.entries}
        if tree.entries.get(path) != after.entries.get(path)
    }


# --- a stack ---


@pytest.mark.parametrize(
    "case", ["default", "external-shared-gke", "postgres-redis-kind"]
)
def test_a_stack_that_is_added_is_as_if_it_had_been_the_first(case: str) -> None:
    options = CASES[case]
    tree = tree_of(generated(options))
    fleet = read_fleet(tree.read("gitops.yaml"))
    version = options.directus_version
    after = applied(tree, fleet, with_stack(tree, fleet, directus_version=version))
    alone = tree_of(generated(replace(options, stack=STACK)))
    for environment in options.environments:
        folder = f"overlays/{environment}/{STACK}"
        paths = list(alone.paths_under(folder))
        assert paths
        assert paths == list(after.paths_under(folder))
        assert {p: after.read(p) for p in paths} == {p: alone.read(p) for p in paths}


def test_adding_a_stack_touches_no_overlay_that_is_there() -> None:
    tree, fleet = made()
    after = applied(tree, fleet, with_stack(tree, fleet))
    touched = changed(tree, after)
    assert not [p for p in touched if p.startswith("overlays/") and "/shop/" not in p]
    own = ("overlays/", "agents/", GENERATED_FILE)
    assert not [p for p in touched if not p.startswith(own)]


def test_both_agents_learn_of_a_new_stack() -> None:
    tree, fleet = made()
    after = applied(tree, fleet, with_stack(tree, fleet))
    assert "agents/flux/environments/qa/shop-qa.yaml" not in after
    assert "agents/flux/environments/staging/shop-staging.yaml" in after
    project = after.read("agents/argocd/project.yaml")
    assert b"namespace: shop-production" in project
    assert b"namespace: example-production" in project


def test_a_stack_starts_with_the_newest_version_and_its_own_image() -> None:
    tree, fleet = made()
    own = "registry.example.com/shop/directus"
    text = tree.read("gitops.yaml").replace(
        b"stacks: {}", f"stacks:\n  shop: {{image: {own}}}".encode()
    )
    files = {path: tree.read(path) for path in tree.entries} | {"gitops.yaml": text}
    tree, fleet = tree_of(files), read_fleet(text)
    plan = with_stack(tree, fleet, directus_version="12.3.0", reason="opening day")
    assert (plan.kind, plan.scope) == (PlanKind.ADD_STACK, StackScope(stack=STACK))
    assert plan.provenance.reason == "opening day"
    shops = [
        o
        for o in list_overlays(applied(tree, fleet, plan), fleet)
        if o.target.stack == STACK
    ]
    assert {(o.revision.image, o.revision.tag) for o in shops} == {(own, "12.3.0")}
    assert len(shops) == 3


def test_a_stack_that_is_everywhere_is_refused() -> None:
    tree, fleet = made()
    with pytest.raises(InputError, match="exists already") as refused:
        plan_add_stack(tree, fleet, stack_name("example"), requested_by="me")
    assert refused.value.hint


def test_a_stack_that_is_somewhere_is_added_where_it_is_missing() -> None:
    tree, fleet = made()
    files = {p: tree.read(p) for p in tree.entries if "staging/example" not in p}
    tree = tree_of(files)
    plan = plan_add_stack(tree, fleet, stack_name("example"), requested_by="me")
    after = applied(tree, fleet, plan)
    overlays = {p for p in changed(tree, after) if p.startswith("overlays/")}
    assert {p.rpartition("/")[0] for p in overlays} == {"overlays/staging/example"}


def test_a_stack_whose_namespace_would_be_too_long_is_refused() -> None:
    tree, fleet = made()
    with pytest.raises(InputError, match="at most 63"):
        plan_add_stack(tree, fleet, stack_name("s" * 60), requested_by="me")


def test_a_stack_that_would_share_a_namespace_is_refused() -> None:
    options = read_options(stack="a", environments=["b-c", "c"])
    tree = tree_of(generated(options))
    fleet = read_fleet(tree.read("gitops.yaml"))
    with pytest.raises(InputError, match="share the namespace a-b-c"):
        plan_add_stack(tree, fleet, stack_name("a-b"), requested_by="me")


def test_a_host_pattern_without_the_stack_serves_one_stack_only() -> None:
    tree, fleet = made(host="cms.{environment}.example.com")
    with pytest.raises(InputError, match="share the host") as refused:
        with_stack(tree, fleet)
    assert "{stack}" in refused.value.hint


def test_a_file_in_the_way_is_never_overwritten() -> None:
    tree, fleet = made()
    files = {path: tree.read(path) for path in tree.entries}
    files["overlays/staging/shop/config.env"] = b"MINE=1\n"
    with pytest.raises(PlanError, match=r"overlays/staging/shop/config\.env"):
        with_stack(tree_of(files), fleet)


def test_a_base_that_lacks_a_component_is_named_before_a_build_fails() -> None:
    tree, fleet = made()
    files = {p: tree.read(p) for p in tree.entries if "/network-policy/" not in p}
    with pytest.raises(PlanError, match="network-policy") as refused:
        with_stack(tree_of(files), fleet)
    assert "upgrade" in refused.value.hint


# --- an environment ---


def test_an_environment_starts_where_its_predecessor_is() -> None:
    tree, fleet = made()
    path = "overlays/staging/example/kustomization.yaml"
    files = {p: tree.read(p) for p in tree.entries}
    digest = f"sha256:{'b' * 64}"
    files[path] = files[path].replace(
        b'newTag: "12.4.0"', f'newTag: "12.2.0"\n    digest: {digest}'.encode()
    )
    tree = tree_of(files)
    plan = with_qa(tree, fleet, after=STAGING, reason="testers")
    assert (plan.kind, plan.scope) == (
        PlanKind.ADD_ENVIRONMENT,
        EnvironmentScope(environment=QA),
    )
    assert plan.provenance.source_environment == STAGING
    after = applied(tree, fleet, plan)
    fuller = read_fleet(after.read("gitops.yaml"))
    (overlay,) = [o for o in list_overlays(after, fuller) if o.target.environment == QA]
    assert (overlay.revision.tag, overlay.revision.digest) == ("12.2.0", digest)
    assert fuller.environment("qa") == Environment(name=QA, after=(STAGING,))


def test_an_environment_that_follows_none_starts_with_the_version_asked_for() -> None:
    tree, fleet = made()
    after = applied(tree, fleet, with_qa(tree, fleet, directus_version="12.1.0"))
    fuller = read_fleet(after.read("gitops.yaml"))
    (overlay,) = [o for o in list_overlays(after, fuller) if o.target.environment == QA]
    assert overlay.revision.tag == "12.1.0"
    assert fuller.environment("qa") == Environment(name=QA)


def test_a_stack_that_the_predecessor_lacks_starts_with_the_newest() -> None:
    tree, fleet = made()
    files = {p: tree.read(p) for p in tree.entries if "staging/example" not in p}
    tree = tree_of(files)
    after = applied(
        tree, fleet, with_qa(tree, fleet, after=STAGING, directus_version="12.3.0")
    )
    assert b'newTag: "12.3.0"' in after.read("overlays/qa/example/kustomization.yaml")


def test_adding_an_environment_inserts_one_line_into_the_fleet_file() -> None:
    tree, fleet = made()
    after = applied(tree, fleet, with_qa(tree, fleet, after=STAGING))
    before_lines = tree.read("gitops.yaml").decode().splitlines()
    after_lines = after.read("gitops.yaml").decode().splitlines()
    added = "  - {name: qa, after: [staging]}"
    assert after_lines.count(added) == 1
    after_lines.remove(added)
    assert after_lines == before_lines
    touched = {
        p for p in changed(tree, after) if not p.startswith(("overlays/qa/", "agents/"))
    }
    assert touched == {"gitops.yaml", GENERATED_FILE}


def test_an_environment_that_is_there_or_follows_nobody_known_is_refused() -> None:
    tree, fleet = made()
    with pytest.raises(InputError, match="already"):
        plan_add_environment(tree, fleet, STAGING, requested_by="me")
    with pytest.raises(UnknownNameError, match="nowhere") as refused:
        with_qa(tree, fleet, after=environment_name("nowhere"))
    assert "development, staging, production" in refused.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "environments:\n- name: a\n- name: staging\n",
        "environments:\n  - name: a\n  - name: staging\n    after: [a]   # why\n",
        "environments:\n  - name: a\n  - name: staging\n    after:\n      - a\n",
        "environments: [{name: a}, {name: staging}]",
        "environments: [{name: a}, {name: staging, after: [a]},]\n",
        "environments:\r\n  - {name: a}\r\n  - {name: staging}\r\nbranch: x\r\n",
        "environments:\n  - {name: a}\n  - {name: staging}",
        "environments:\n  - {name: a}\n  - {name: staging}\n\n# more\nbranch: x\n",
        "environments:\n  - {name: a}\n  - {\n      name: staging,\n    }\n",
        "\ufeffenvironments:\n  - name: 'a'\n  - name: \"staging\" # ü\n",
    ],
)
def test_an_environment_fits_into_a_list_however_it_is_written(text: str) -> None:
    head = "apiVersion: directus-gitops/v1"
    line = "\r\n" if "\r\n" in text else "\n"
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    content = (mark + head + line + text.removeprefix(mark)).encode()
    fleet = read_fleet(content)
    added = Environment(name=QA, after=(STAGING,))
    after = with_environment(content, fleet, added)
    assert read_fleet(after).environments == (*fleet.environments, added)
    rest = after.replace(b", {name: qa, after: [staging]}", b"")
    for newline in (b"\r\n", b"\n"):
        for indent in (b"  ", b""):
            rest = rest.replace(
                indent + b"- {name: qa, after: [staging]}" + newline, b""
            )
    assert rest.rstrip(b"\n") == content.rstrip(b"\n")
    assert (b"\r\n" in after) == (b"\r\n" in content)
    assert after.count(b"\n") - after.count(b"\r\n") == (
        0 if b"\r\n" in content else after.count(b"\n")
    )


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"- a",
        b"environments: {}",
        b"environments: &e [{name: a}]\nx: *e\n",
        b"environments: []",
    ],
)
def test_a_list_that_cannot_take_a_line_is_left_alone(text: bytes) -> None:
    _, fleet = made()
    with pytest.raises(GitopsError):
        with_environment(text, fleet, Environment(name=QA))


def test_a_repository_that_was_not_generated_is_refused() -> None:
    tree, fleet = made()
    files = {p: tree.read(p) for p in tree.entries if "generated.json" not in p}
    for plan in (with_stack, with_qa):
        with pytest.raises(PlanError, match=r"generated\.json"):
            plan(tree_of(files), fleet)


@pytest.mark.parametrize("path", ["gitops.yaml", "agents/argocd/project.yaml"])
def test_a_file_that_changed_after_the_plan_was_made_is_not_overwritten(
    path: str,
) -> None:
    tree, fleet = made()
    plan = with_qa(tree, fleet, after=STAGING)
    files = {p: tree.read(p) for p in tree.entries}
    files[path] += b"# later\n"
    with pytest.raises(PlanError, match=path):
        applied(tree_of(files), fleet, plan)


# --- agents, and hands ---


def edited(tree: Tree, path: str, old: bytes, new: bytes) -> Tree:
    files = {p: tree.read(p) for p in tree.entries}
    assert old in files[path]
    files[path] = files[path].replace(old, new)
    return tree_of(files)


def test_the_address_that_a_person_put_in_stays() -> None:
    tree, fleet = made()
    url, mine = (
        b"https://git.example.com/directus/fleet.git",
        b"https://git.mine.example/f",
    )
    for path in ("argocd/project.yaml", "argocd/applicationset.yaml"):
        tree = edited(tree, f"agents/{path}", url, mine)
    tree = edited(tree, "agents/flux/source/repository.yaml", url, mine)
    for plan in (with_stack(tree, fleet), with_qa(tree, fleet)):
        assert plan.findings == ()
        after = applied(tree, fleet, plan)
        project = after.read("agents/argocd/project.yaml")
        assert mine in project
        assert url not in b"".join(after.read(p) for p in after.paths_under("agents"))


def test_the_record_learns_of_what_is_written_as_generated_and_of_nothing_else() -> (
    None
):
    tree, fleet = made()
    path = "agents/argocd/project.yaml"
    tree = edited(tree, path, b"# What Argo CD may do", b"# What our Argo CD may do")
    before = read_generated(tree)
    for plan in (with_stack(tree, fleet), with_qa(tree, fleet)):
        after = applied(tree, fleet, plan)
        record = read_generated(after)
        assert (record.release, record.choices) == (before.release, before.choices)
        learnt = {p for p in record.files if record.files[p] != before.files.get(p)}
        written = {p for p in changed(tree, after) if p.startswith("agents/")}
        assert learnt == written - {path}
        assert all(record.files[p] == after.entries[p].blob for p in learnt)
        assert record.files[path] == before.files[path]


def test_without_an_agent_the_record_stays_as_it_is() -> None:
    tree, fleet = made(agent="none")
    after = applied(tree, fleet, with_stack(tree, fleet))
    assert after.entries[GENERATED_FILE] == tree.entries[GENERATED_FILE]


def test_a_file_edited_where_the_new_lines_belong_is_left_with_a_finding() -> None:
    tree, fleet = made()
    path = "agents/argocd/project.yaml"
    tree = edited(tree, path, b"namespace: example-production", b"namespace: example-*")
    plan = with_stack(tree, fleet)
    (finding,) = plan.findings
    assert (finding.rule, finding.path) == ("hand-edited", path)
    assert applied(tree, fleet, plan).read(path) == tree.read(path)


def test_an_agent_that_was_taken_out_stays_out() -> None:
    tree, fleet = made()
    files = {p: tree.read(p) for p in tree.entries if not p.startswith("agents/flux/")}
    tree = tree_of(files)
    for plan in (with_stack(tree, fleet), with_qa(tree, fleet)):
        after = applied(tree, fleet, plan)
        assert list(after.paths_under("agents/flux")) == []
        assert changed(tree, after) & set(after.paths_under("agents/argocd"))


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (b"a\nb\nc\nd\ne\n", b"a\nb\nc\nd\nx\ne\n"),
        (b"A\nb\nc\nd\ne\n", b"A\nb\nc\nd\nx\ne\n"),
        (b"b\nc\nd\ne\n", b"b\nc\nd\nx\ne\n"),
        (b"a\nb\nc\nd\nx\ne\n", b"a\nb\nc\nd\nx\ne\n"),
        (b"a\nb\nc\nd\ny\ne\n", None),
        (b"a\nb\nc\nD\ne\n", None),
        (b"", None),
    ],
)
def test_lines_of_two_sides_are_merged_where_they_do_not_meet(
    ours: bytes, expected: bytes | None
) -> None:
    assert merged(b"a\nb\nc\nd\ne\n", ours, b"a\nb\nc\nd\nx\ne\n") == expected


def test_planning_writes_nothing_anywhere() -> None:
    tree, fleet = made()
    before = dict(tree.entries)
    with_stack(tree, fleet)
    with_qa(tree, fleet)
    plan_init(read_options(), requested_by="me", release="0")
    assert dict(tree.entries) == before
