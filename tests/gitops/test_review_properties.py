"""Whatever comes in: the limit holds, fences balance, nothing is live or secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings, strategies as st

from gitops.model import (
    BranchName,
    ChangeKey,
    CommitId,
    Difference,
    EnvironmentName,
    FileEdit,
    Finding,
    Intent,
    IntentId,
    IntentState,
    Json,
    Manifest,
    Manifests,
    Plan,
    PlanKind,
    Provenance,
    Review,
    Revision,
    SetConfig,
    SetRevision,
    Severity,
    StackName,
    Target,
    TargetScope,
)
from gitops.review import rendered_diff, summary, write_review
from gitops.review.manifest_text import manifest_lines
from gitops.review.text import cell, code, element, sentence, title_part, visible

CANARY = "c4n4ryZk93hQ"
ROOMY = settings(
    max_examples=75, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

fragments = st.sampled_from(
    [
        "@org/team",
        "Fixes #1",
        "GH-7",
        "!3",
        "</details>",
        "<script>",
        "<!-- directus-gitops: v1 -->",
        "```",
        "````diff",
        "~~~",
        "`",
        "|",
        "\n/approve\n",
        "\nbors r+",
        "\r\n",
        "\u202e",
        "\x00",
        "[x](javascript:y)",
        "https://x.example/issues/1",
        "a-gm4872tk25",
        "12.4.1",
        "*** (new value)",
    ]
)
texts = st.lists(st.one_of(fragments, st.text(max_size=12)), max_size=5).map("".join)
fields = st.sampled_from(["spec", "data", "env", "name", "image", "host"])
keys = st.one_of(fields, texts)
object_names = st.sampled_from(["a", "a-gm4872tk25", "a-22222bbbbb"])
scalars: st.SearchStrategy[Json] = st.one_of(
    texts, st.integers(-5, 5), st.booleans(), st.none(), st.just("x" * 2000)
)
values: st.SearchStrategy[Json] = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Json]:
    body: dict[str, Json] = dict(draw(st.dictionaries(keys, values, max_size=4)))
    kind = draw(st.sampled_from(["Deployment", "ConfigMap", "Secret", "Ingress"]))
    name = draw(st.one_of(object_names, texts))
    secret = CANARY + draw(st.sampled_from(["", "1", "2"]))
    body["kind"] = kind
    body["apiVersion"] = "v1"
    body["metadata"] = {"name": name}
    body["env"] = [{"name": "DB_PASSWORD", "value": secret}]
    if kind == "Secret":
        body["data"] = {"A": secret, "B": [secret]}
    if kind == "ConfigMap":
        body["data"] = {"ADMIN_TOKEN": secret, "URL": f"redis://:{secret}@h"}
    return body


@st.composite
def sides(draw: st.DrawFn) -> Mapping[str, Manifests]:
    overlays = draw(st.lists(st.sampled_from(["o/a", "o/b"]), max_size=2, unique=True))
    return {
        overlay: Manifests(
            path=overlay,
            text=b"",
            objects=tuple(
                Manifest(
                    api_version=str(body["apiVersion"]),
                    kind=str(body["kind"]),
                    namespace="",
                    name=str(body["metadata"]["name"]),  # type: ignore[index, call-overload]
                    body=body,
                )
                for body in draw(st.lists(bodies(), max_size=3))
            ),
        )
        for overlay in overlays
    }


findings = st.builds(
    Finding,
    rule=texts,
    severity=st.sampled_from(Severity),
    path=texts,
    line=st.integers(0, 9),
    message=texts,
    hint=texts,
)
differences = st.builds(
    Difference,
    path=texts,
    field=st.one_of(st.just("images[x].newTag"), texts),
    before=st.one_of(st.none(), texts),
    after=st.one_of(st.none(), texts),
)


@st.composite
def reviews(draw: st.DrawFn) -> tuple[Review, int, int]:
    target = Target(environment=EnvironmentName("staging"), stack=StackName("s"))
    plans = [
        Plan(
            kind=draw(st.sampled_from(PlanKind)),
            scope=TargetScope(target=target),
            changes=(
                SetRevision(
                    target=target, revision=Revision(image="i", tag=draw(texts))
                ),
                SetConfig(target=target, key=draw(texts), value=f"{CANARY}"),
            ),
            provenance=Provenance(requested_by=draw(texts), reason=draw(texts)),
        )
        for _ in range(draw(st.integers(1, 3)))
    ]
    branch = BranchName(draw(texts))
    repository = draw(texts)
    intents = [
        Intent(
            id=IntentId(str(number)),
            key=ChangeKey(draw(texts)),
            repository=repository,
            plan=plan,
            branch=branch,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            state=IntentState.PLANNED,
        )
        for number, plan in enumerate(plans)
    ]
    body_limit = draw(st.one_of(st.integers(0, 3_000), st.sampled_from([4000, 65536])))
    title_limit = draw(st.integers(0, 256))
    changed = draw(st.lists(differences, max_size=3))
    secret = Difference(
        path="f", field="DB_PASSWORD", before=CANARY, after=CANARY + "1"
    )
    result = write_review(
        repository=repository,
        branch=branch,
        plans=plans,
        intents=draw(st.sampled_from([intents, []])),
        differences=[*changed, secret],
        edits=[FileEdit(path=draw(texts), before=None, after=CANARY.encode())],
        before=draw(sides()),
        after=draw(sides()),
        findings=draw(st.lists(findings, max_size=3)),
        base=CommitId(draw(texts)),
        body_limit=body_limit,
        title_limit=title_limit,
    )
    return result, body_limit, title_limit


def outside_fences(body: str) -> str:
    """Read the body as CommonMark does, and return what is in no fenced block."""
    outside: list[str] = []
    fence = ""
    for line in body.split("\n"):
        run = re.match(r" {0,3}(`{3,}|~{3,})(.*)$", line)
        if fence:
            if run and run[1].startswith(fence) and not run[2].strip():
                fence = ""
        elif run and not (run[1][0] == "`" and "`" in run[2]):
            fence = run[1]
        else:
            outside.append(line)
    assert fence == "", "a fence is left open"
    return "\n".join(outside)


@ROOMY
@given(reviews())
def test_the_limits_hold(made: tuple[Review, int, int]) -> None:
    result, body_limit, title_limit = made
    assert len(result.body.encode()) <= body_limit
    assert len(result.title) <= title_limit
    assert "\n" not in result.title


@ROOMY
@given(reviews())
def test_nothing_outside_a_fence_is_live(made: tuple[Review, int, int]) -> None:
    result, limit, _ = made
    outside = outside_fences(result.body)
    assert not re.search(r"@[\w-]", outside)
    assert not re.search(r"#\w|(?i:\bGH-\d)|<script|</details>.", outside)
    assert not re.search(r"(?m)^\s*/|^bors", result.body)
    assert result.body.count("<!--") <= 1
    assert outside.count("<details>") == outside.count("</details>")
    if limit >= 4_000:
        assert len(re.findall(r"(?m)^<!-- directus-gitops: v1 .* -->$", outside)) == 1


@ROOMY
@given(reviews())
def test_no_secret_is_in_any_part(made: tuple[Review, int, int]) -> None:
    result, _, _ = made
    everything = "".join(
        [result.body, result.title, result.commit_message, result.rendered_diff]
    )
    assert CANARY not in everything + "".join(result.summary)


@ROOMY
@given(reviews())
def test_no_character_is_hidden(made: tuple[Review, int, int]) -> None:
    result, _, _ = made
    for text in (result.title, result.commit_message, result.rendered_diff):
        assert visible(text.replace("\n", "").replace("\u200b", "")) == text.replace(
            "\n", ""
        ).replace("\u200b", "")
    body = result.body.replace("\n", "").replace("\u200b", "")
    assert visible(body) == body
    assert all(visible(line) == line for line in result.summary)


@ROOMY
@given(sides(), sides())
def test_what_differs_is_told_and_what_is_equal_is_not(
    before: Mapping[str, Manifests], after: Mapping[str, Manifests]
) -> None:
    assert summary(before, before, ()) == ()
    assert rendered_diff(before, before) == ""
    if rendered_diff(before, after):
        assert summary(before, after, ())


@ROOMY
@given(values)
def test_lines_hold_one_line_each(value: Json) -> None:
    for line in manifest_lines(value):
        assert visible(line) == line


@ROOMY
@given(texts)
def test_no_way_of_quoting_lets_a_mention_through(text: str) -> None:
    for quoted in (
        code(text),
        cell(text),
        element(text),
        title_part(text),
        sentence(text),
    ):
        assert not re.search(r"@[\w-]|#\w|\n", quoted)
    assert "<script" not in code(text) + cell(text) + element(text) + title_part(text)
    # A code span ends where it should: no run as long as its fence is inside.
    span = code(text)
    if span.startswith("`"):
        fence = re.match(r"`+", span)
        assert fence is not None
        inside = span[len(fence[0]) : -len(fence[0])]
        assert fence[0] not in re.findall(r"`+", inside)
