"""What a reviewer reads: title, body, commit message."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from gitops.model import (
    BaseScope,
    BranchName,
    Change,
    ChangeKey,
    CommitId,
    Difference,
    EnvironmentName,
    EnvironmentScope,
    FileEdit,
    Finding,
    GroupScope,
    Intent,
    IntentId,
    IntentState,
    Manifests,
    Plan,
    PlanKind,
    Provenance,
    Review,
    Revision,
    Scope,
    SetConfig,
    SetImage,
    SetRevision,
    Severity,
    StackName,
    StackScope,
    Target,
    TargetScope,
    UnsetConfig,
    WriteFile,
)
from gitops.review import write_review
from tests.support.rendered import rendered

AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
OVERLAY = "overlays/staging/example"
FILE = f"{OVERLAY}/kustomization.yaml"
STAGING = EnvironmentName("staging")
TARGET = Target(environment=STAGING, stack=StackName("example"))
BUMPED = Difference(
    path=FILE,
    field="images[directus/directus].newTag",
    before="12.3.0",
    after="12.4.1",
)
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: directus, namespace: example-staging}
spec:
  replicas: 1
  template:
    spec: {containers: [{name: directus, image: "directus/directus:12.3.0"}]}
"""


def revision(tag: str, target: Target = TARGET) -> SetRevision:
    return SetRevision(
        target=target, revision=Revision(image="directus/directus", tag=tag)
    )


def image(name: str, tag: str) -> SetImage:
    return SetImage(target=TARGET, name=name, revision=Revision(image=name, tag=tag))


def plan(
    kind: PlanKind,
    *changes: Change,
    scope: Scope | None = None,
    by: str = "alice",
    reason: str = "",
    source: str | None = None,
    findings: tuple[Finding, ...] = (),
) -> Plan:
    return Plan(
        kind=kind,
        scope=scope or TargetScope(target=TARGET),
        changes=changes,
        provenance=Provenance(
            requested_by=by,
            reason=reason,
            source_environment=None if source is None else EnvironmentName(source),
            source_commit=None if source is None else CommitId("d" * 40),
        ),
        findings=findings,
    )


BUMP = plan(PlanKind.BUMP, revision("12.4.1"))


def intent(wanted: Plan, *, number: int = 1, at: datetime = AT) -> Intent:
    return Intent(
        id=IntentId(f"intent-{number}"),
        key=ChangeKey(f"{number:064x}"),
        repository="default",
        plan=wanted,
        branch=BranchName("directus-gitops/staging/example"),
        created_at=at,
        state=IntentState.PLANNED,
    )


def side(text: str = DEPLOYMENT, overlay: str = OVERLAY) -> dict[str, Manifests]:
    return {overlay: rendered(overlay, text)}


def review(
    *plans: Plan,
    intents: tuple[Intent, ...] | None = None,
    differences: tuple[Difference, ...] = (BUMPED,),
    edits: tuple[FileEdit, ...] | None = None,
    before: dict[str, Manifests] | None = None,
    after: dict[str, Manifests] | None = None,
    findings: tuple[Finding, ...] = (),
    body_limit: int = 65_536,
    title_limit: int = 256,
    repository: str = "default",
    existence_checked: bool = False,
) -> Review:
    if edits is None:
        edits = (FileEdit(path=FILE, before=b"a", after=b"b", differences=differences),)
    if intents is None:
        intents = tuple(intent(p, number=n) for n, p in enumerate(plans, 1))
    return write_review(
        repository=repository,
        branch=BranchName("directus-gitops/staging/example"),
        plans=plans,
        intents=intents,
        differences=differences,
        edits=edits,
        before=side() if before is None else before,
        after=side(DEPLOYMENT.replace("12.3.0", "12.4.1")) if after is None else after,
        findings=findings,
        base=CommitId("c" * 40),
        body_limit=body_limit,
        title_limit=title_limit,
        existence_checked=existence_checked,
    )


# --- titles ---


def other(name: str) -> Target:
    return Target(environment=STAGING, stack=StackName(name))


NEW_ENVIRONMENT = EnvironmentScope(environment=EnvironmentName("qa"))
GROUP = GroupScope(environment=STAGING, group="all")


@pytest.mark.parametrize(
    ("plans", "title"),
    [
        ([BUMP], "example/staging: bump Directus 12.3.0 -> 12.4.1"),
        (
            [plan(PlanKind.PROMOTE, revision("12.4.1"), source="development")],
            "example/staging: promote 12.4.1 from development",
        ),
        (
            [plan(PlanKind.ROLLBACK, revision("12.4.1"))],
            "example/staging: roll back Directus 12.3.0 -> 12.4.1",
        ),
        (
            [BUMP, plan(PlanKind.SET, SetConfig(target=TARGET, key="B", value="1"))],
            "example/staging: bump Directus 12.3.0 -> 12.4.1; set B",
        ),
        (
            [
                plan(
                    PlanKind.SET,
                    SetConfig(target=TARGET, key="B", value="1"),
                    SetConfig(target=TARGET, key="A", value="1"),
                    UnsetConfig(target=TARGET, key="C"),
                ),
                plan(PlanKind.SET, UnsetConfig(target=TARGET, key="B")),
            ],
            "example/staging: set A; unset B, C",
        ),
        (
            [
                plan(
                    PlanKind.PROMOTE,
                    revision("12.4.1"),
                    SetConfig(target=TARGET, key="FEATURE_X", value="1"),
                    source="development",
                )
            ],
            "example/staging: promote 12.4.1 from development; carry FEATURE_X",
        ),
        (
            [
                plan(
                    PlanKind.PROMOTE,
                    revision("12.4.1"),
                    image("registry.example.com/acme/extensions", "2.1.0"),
                    source="development",
                )
            ],
            "example/staging: promote 12.4.1 from development; carry extensions 2.1.0",
        ),
        (
            [
                plan(PlanKind.PROMOTE, revision("12.4.0"), image("a", "1.0.0")),
                plan(PlanKind.PROMOTE, revision("12.4.1"), image("a", "2.0.0")),
            ],
            "example/staging: promote 12.4.1; carry a 2.0.0",
        ),
        (
            [plan(PlanKind.BUMP, revision("12.4.0")), BUMP],
            "example/staging: bump Directus 12.3.0 -> 12.4.1",
        ),
        (
            [plan(PlanKind.BUMP, revision("12.5.0"))],
            "example/staging: bump Directus to 12.5.0",
        ),
        (
            [
                plan(
                    PlanKind.BUMP,
                    *(revision("12.4.1", other(f"s{n}")) for n in range(12)),
                    scope=GROUP,
                )
            ],
            "staging: bump Directus to 12.4.1 in 12 stacks",
        ),
        (
            [plan(PlanKind.BUMP, revision("12.4.1", other("s")), scope=GROUP)],
            "staging: bump Directus to 12.4.1 in 1 stack",
        ),
        (
            [
                plan(PlanKind.BUMP, revision("12.4.1", other("a")), scope=GROUP),
                plan(PlanKind.BUMP, revision("12.4.0", other("b")), scope=GROUP),
            ],
            "staging: bump Directus to 12.4.1 in 1 stack;"
            " bump Directus to 12.4.0 in 1 stack",
        ),
        (
            [plan(PlanKind.ADD_STACK, scope=StackScope(stack=StackName("acme")))],
            "acme: add stack",
        ),
        (
            [plan(PlanKind.ADD_ENVIRONMENT, scope=NEW_ENVIRONMENT)],
            "qa: add environment",
        ),
        ([plan(PlanKind.INIT, scope=BaseScope())], "base: generate the repository"),
        ([plan(PlanKind.UPGRADE, scope=BaseScope())], "base: upgrade"),
        ([plan(PlanKind.SET)], "example/staging: no change"),
    ],
)
def test_a_title_has_its_fixed_form(plans: list[Plan], title: str) -> None:
    assert review(*plans).title == title


@pytest.mark.parametrize(
    ("content", "title"),
    [
        (b'{"release": "0.2.0"}', "base: upgrade to directus-gitops 0.2.0"),
        (b'{"release": 3}', "base: upgrade"),
        (b"[]", "base: upgrade"),
        (b"no json", "base: upgrade"),
    ],
)
def test_an_upgrade_names_its_release_where_the_record_does(
    content: bytes, title: str
) -> None:
    write = WriteFile(path=".directus-gitops/generated.json", content=content)
    assert review(plan(PlanKind.UPGRADE, write, scope=BaseScope())).title == title


def test_a_new_digest_of_the_same_tag_is_told() -> None:
    digest = Difference(path=FILE, field="images[x].digest", before="a", after="b")
    said = review(BUMP, differences=(digest,)).title
    assert said == "example/staging: bump Directus 12.4.1 to another image"


def test_many_keys_are_counted_in_the_title() -> None:
    changes = [SetConfig(target=TARGET, key=f"K{n}", value="1") for n in range(9)]
    assert review(plan(PlanKind.SET, *changes)).title == "example/staging: set 9 keys"
    one = plan(PlanKind.SET, SetConfig(target=TARGET, key="K" * 60, value="1"))
    assert review(one, title_limit=40).title == "example/staging: set 1 key"


def test_a_title_keeps_its_limit() -> None:
    assert review(BUMP, title_limit=20).title == "example/staging: bu…"


# --- the body ---


def test_a_body_tells_everything_in_order() -> None:
    body = review(
        plan(
            PlanKind.PROMOTE,
            revision("12.4.1"),
            source="development",
            reason="weekly",
        ),
        findings=(
            Finding(rule="b", severity=Severity.INFO, path=OVERLAY, message="note"),
            Finding(
                rule="licence",
                severity=Severity.WARNING,
                path=FILE,
                line=7,
                message="changes",
                hint="read it",
            ),
        ),
    ).body
    pieces = [
        "- version of image `directus/directus`: `12.3.0` -> `12.4.1`"
        " (Deployment `directus`)\n",
        "### Findings\n\n1 warning, 1 info.\n",
        f"| warning | licence | {FILE}:7 | changes (read it) |\n",
        f"| info | b | {OVERLAY} | note |\n",
        "### Rendered difference\n\nObjects: 1 changed, in 1 overlay.\n",
        "<details><summary>Deployment directus in overlays/staging/example"
        " (changed: +1 -1 lines)</summary>\n\n```diff\n",
        "-      - image: directus/directus:12.3.0\n",
        "+      - image: directus/directus:12.4.1\n",
        "```\n\n</details>\n",
        "### Files\n\n1 changed.\n\n",
        f"- `{FILE}` `images[directus/directus].newTag` `12.3.0` -> `12.4.1`\n",
        "- Promotion asked for by `alice` on 2026-11-23 09:30:00 UTC, from"
        f" `development` at commit `{'d' * 40}`: `weekly`\n",
        f"- Made on commit `{'c' * 40}` of the base branch.\n",
        "- Release notes of Directus 12.4.1:"
        " https://github.com/directus/directus/releases/tag/v12.4.1\n",
        "existence not checked",
        "\n<!-- directus-gitops: v1 repository=default"
        f" branch=directus-gitops/staging/example changes={1:064x} -->\n",
    ]
    places = [body.find(piece) for piece in pieces]
    assert -1 not in places
    assert places == sorted(places)


def test_the_body_is_the_same_every_time() -> None:
    assert review(BUMP) == review(BUMP)


def test_the_order_of_findings_is_no_matter_and_repeats_are_told_once() -> None:
    one = Finding(rule="a", severity=Severity.INFO, path="p", message="m")
    two = Finding(rule="b", severity=Severity.ERROR, path="p", message="m")
    first = review(plan(PlanKind.BUMP, findings=(one,)), findings=(one, two))
    other_way = review(plan(PlanKind.BUMP, findings=(two,)), findings=(two, one))
    assert first.body == other_way.body
    assert first.body.index("| error |") < first.body.index("| info |")
    assert "1 error, 1 info." in first.body


def test_times_are_told_in_utc() -> None:
    at = datetime(2026, 7, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    body = review(BUMP, intents=(intent(BUMP, at=at),)).body
    assert "on 2026-06-30 23:00:00 UTC" in body


def test_a_preview_has_no_time_and_no_keys() -> None:
    body = review(BUMP, intents=()).body
    assert "- Version bump asked for by `alice`\n" in body
    assert "changes= -->" in body


def test_a_registry_that_was_asked_is_not_doubted() -> None:
    assert "existence not checked" not in review(BUMP, existence_checked=True).body
    config = plan(PlanKind.SET, SetConfig(target=TARGET, key="A", value="1"))
    assert "existence not checked" not in review(config).body


@pytest.mark.parametrize(
    ("tag", "release"),
    [
        ("12.4.1-dhi", "v12.4.1"),
        ("12.4.1-acme.3", "v12.4.1"),
        ("13.0.0-rc.1", "v13.0.0-rc.1"),
    ],
)
def test_release_notes_are_those_of_the_release_behind_a_tag(
    tag: str, release: str
) -> None:
    body = review(plan(PlanKind.BUMP, revision(tag))).body
    assert f"/releases/tag/{release}\n" in body


def test_a_tag_that_names_no_release_has_no_link() -> None:
    assert "/releases/" not in review(plan(PlanKind.BUMP, revision("latest"))).body


def test_files_that_come_and_go_are_named() -> None:
    edits = (
        FileEdit(path="b", before=None, after=b"x"),
        FileEdit(path="a", before=b"x", after=None),
        FileEdit(path="c", before=b"x", after=b"y"),
    )
    body = review(BUMP, edits=edits, differences=()).body
    assert "3 changed.\n\n- `a` removed\n- `b` added\n- `c` changed\n" in body


def test_nothing_rendered_and_nothing_changed_is_told_so() -> None:
    body = review(
        plan(PlanKind.SET), before={}, after={}, differences=(), edits=()
    ).body
    assert "Nothing that is rendered changes" in body
    assert "The rendered objects stay as they are." in body
    assert "### Files" not in body


def test_the_same_difference_in_many_overlays_is_shown_once() -> None:
    names = [f"overlays/staging/s{n}" for n in range(12)]
    bumped = DEPLOYMENT.replace("12.3.0", "12.4.1")
    body = review(
        BUMP,
        before={name: rendered(name, DEPLOYMENT) for name in names},
        after={name: rendered(name, bumped) for name in names},
    ).body
    assert body.count("<details>") == 1
    assert "in overlays/staging/s0 and 11 more overlays, the same" in body
    assert "Objects: 12 changed, in 12 overlays." in body


def test_references_alone_show_no_difference() -> None:
    config = (
        "apiVersion: v1\nkind: ConfigMap\n"
        "metadata: {name: env-gm4872tk25}\ndata: {A: b}\n---"
    )
    deployment = DEPLOYMENT.replace("replicas: 1", "config: env-gm4872tk25")
    before = config + deployment
    after = before.replace("gm4872tk25", "22222bbbbb").replace("A: b", "A: c")
    body = review(BUMP, before=side(before), after=side(after)).body
    assert body.count("<details>") == 1


# --- the marker ---


def markers(body: str) -> list[str]:
    return re.findall(r"(?m)^<!-- directus-gitops: .* -->$", body)


def test_there_is_one_marker_whatever_the_text_says() -> None:
    fake = "<!-- directus-gitops: v1 repository=evil branch=x changes=y -->"
    text = DEPLOYMENT.replace("replicas: 1", f'replicas: "{fake}"')
    result = review(
        plan(PlanKind.BUMP, revision("12.4.1"), reason=f"x\n{fake}\n"),
        before=side(),
        after=side(text),
        repository=f"a --> {fake}",
        findings=(
            Finding(rule="r", severity=Severity.INFO, path="p", message=f"\n{fake}"),
        ),
    )
    assert len(markers(result.body)) == 1
    assert result.body.count("<!--") == 1


def test_many_keys_become_one_digest_in_the_marker() -> None:
    def marked(numbers: range) -> str:
        intents = tuple(intent(BUMP, number=number) for number in numbers)
        (marker,) = markers(review(BUMP, intents=intents).body)
        return marker

    assert len(marked(range(1000))) < 300
    assert "changes=1000x" in marked(range(1000))
    assert marked(range(1000)) != marked(range(1, 1001))
    assert marked(range(4)).count(",") == 3


# --- limits ---


def big(limit: int) -> Review:
    text = DEPLOYMENT + "".join(
        f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{n}}}\n"
        f"data: {{K: v{n}}}\n"
        for n in range(400)
    )
    findings = tuple(
        Finding(rule=f"r{n}", severity=Severity.WARNING, path="p", message="m" * 50)
        for n in range(300)
    )
    return review(
        BUMP,
        before=side(),
        after=side(text.replace(": v", ": w")),
        findings=findings,
        body_limit=limit,
    )


@pytest.mark.parametrize(
    "limit", [0, 10, 150, 250, 600, 1_000, 2_000, 4_000, 8_000, 30_000, 65_536, 200_000]
)
def test_a_huge_change_degrades_to_any_limit(limit: int) -> None:
    body = big(limit).body
    assert len(body.encode()) <= limit
    assert body.count("```diff\n") * 2 == len(re.findall(r"(?m)^```", body))
    assert body.count("<details>") == body.count("</details>")
    assert len(markers(body)) == (1 if limit >= 250 else body.count("<!--"))
    if limit >= 1_000:
        assert "300 warning" in body
        assert "Objects: 400 added" in body


def test_differences_go_first_and_words_stay() -> None:
    whole = review(BUMP).body
    less = review(BUMP, body_limit=len(whole.encode()) - 1).body
    assert "<details>" not in less
    assert "- Deployment `directus` in `overlays/staging/example` (changed" in less
    assert "left out for length" in less
    assert "version of image `directus/directus`: `12.3.0` -> `12.4.1`" in less


def test_as_many_differences_as_fit_are_shown() -> None:
    limits = (60_000, 65_536, 90_000)
    shown = [big(limit).body.count("<details>") for limit in limits]
    assert shown == sorted(shown)
    assert 0 < shown[-1] < 401


# --- hostile text and the commit ---

HOSTILE = (
    "@org/team Fixes #1 GH-2 </details><script>alert(1)</script> ![](http://x.example)"
    " [x](javascript:y) ``` ~~~ <!-- marker --> \u202e\n/approve\nbors r+\n/lgtm\r\x00"
)


def test_hostile_words_stay_words() -> None:
    text = DEPLOYMENT.replace("replicas: 1", f"replicas: {HOSTILE!a}")
    result = review(
        plan(PlanKind.BUMP, revision("12.4.1"), by=HOSTILE, reason=HOSTILE),
        after=side(text),
        differences=(
            Difference(path=HOSTILE, field=HOSTILE, before=HOSTILE, after=HOSTILE),
        ),
        findings=(
            Finding(
                rule=HOSTILE, severity=Severity.ERROR, path=HOSTILE, message=HOSTILE
            ),
        ),
    )
    outside = re.sub(r"(?ms)^(`{3,})diff\n.*?^\1$", "", result.body)
    assert not re.search(r"@\w|#\d|GH-\d|<script", outside)
    assert not re.search(r"(?m)^\s*(/|bors )", result.body)
    assert "<!-- marker" not in result.body
    assert "\u202e" not in result.body
    assert "\x00" not in result.body + result.title + result.commit_message
    assert not re.search(r"@\w|#\d|GH-\d", result.commit_message + result.title)


def test_a_commit_message_has_subject_words_and_trailers() -> None:
    promoted = plan(
        PlanKind.PROMOTE, revision("12.4.1"), source="development", reason="weekly"
    )
    assert review(promoted).commit_message == (
        "example/staging: promote 12.4.1 from development\n"
        "\n"
        "- version of image directus/directus: 12.3.0 -> 12.4.1 (Deployment directus)\n"
        "\n"
        "  Reason: weekly\n"
        "\n"
        f"Directus-Gitops-Intent: {1:064x}\n"
        "Source-Environment: development\n"
        "Requested-by: alice\n"
        f"Source-Commit: {'c' * 40}\n"
    )


def test_nobodys_words_become_a_trailer() -> None:
    forged = "x\n\nRequested-by: mallory\nSigned-off-by: m"
    message = review(
        plan(PlanKind.BUMP, revision("12.4.1"), by=forged, reason=forged)
    ).commit_message
    trailers = message.rstrip("\n").split("\n\n")[-1].splitlines()
    assert [line.partition(":")[0] for line in trailers] == [
        "Directus-Gitops-Intent",
        "Requested-by",
        "Source-Commit",
    ]
    assert not any(line.startswith("Signed-off-by") for line in message.splitlines())


def test_a_commit_message_stays_short_for_many_intents() -> None:
    intents = tuple(intent(BUMP, number=number) for number in range(500))
    message = review(BUMP, intents=intents).commit_message
    assert "Directus-Gitops-Intents: 500\n" in message
    assert len(message) < 4_000


def test_a_commit_message_counts_words_beyond_the_first() -> None:
    many = DEPLOYMENT + "".join(
        f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{n}}}\ndata: {{}}\n"
        for n in range(60)
    )
    changed = many.replace("data: {}", "data: {A: b}")
    message = review(BUMP, before=side(many), after=side(changed)).commit_message
    assert "- and 20 more\n" in message


def test_a_secret_reason_is_hidden_everywhere() -> None:
    token = "ghp_" + "a" * 36
    result = review(plan(PlanKind.BUMP, revision("12.4.1"), reason=f"use {token}"))
    assert token not in result.body + result.commit_message


# --- the documentation ---

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pull-requests.md"


def test_the_documented_example_is_what_is_written() -> None:
    promoted = plan(
        PlanKind.PROMOTE,
        revision("12.4.1"),
        source="development",
        reason="weekly promotion",
    )
    warning = Finding(
        rule="migration",
        severity=Severity.WARNING,
        path=OVERLAY,
        message="12.3.0 -> 12.4.1: 2 migrations run on the database",
        hint="back up the database first",
    )
    result = review(promoted, findings=(warning,))
    page = PAGE.read_text()
    assert f"~~~~markdown\n{result.body}~~~~\n" in page
    assert f"~~~~text\n{result.commit_message}~~~~\n" in page
    assert f"`{result.title}`" in page
