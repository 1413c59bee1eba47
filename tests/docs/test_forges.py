"""What the page says that each forge supports is what the code says."""

from __future__ import annotations

from pathlib import Path

from gitops.forges import Capabilities
from gitops.forges.azure import CAPABILITIES as AZURE
from gitops.forges.bitbucket import CLOUD_CAPABILITIES, DATACENTER_CAPABILITIES
from gitops.forges.embedded.forge import CAPABILITIES as EMBEDDED
from gitops.forges.gitea import CAPABILITIES as GITEA, FORGEJO_CAPABILITIES
from gitops.forges.github import CAPABILITIES as GITHUB
from gitops.forges.gitlab import CAPABILITIES as GITLAB
from service.configuration import ForgeKind

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "forges.md"
KNOWN = (
    EMBEDDED,
    GITHUB,
    GITLAB,
    GITEA,
    FORGEJO_CAPABILITIES,
    CLOUD_CAPABILITIES,
    DATACENTER_CAPABILITIES,
    AZURE,
)


def row(known: Capabilities) -> str:
    flags = (
        known.auto_merge,
        known.labels,
        known.reviewers,
        known.statuses,
        bool(known.review_refs),
    )
    told = ["yes" if flag else "no" for flag in flags]
    return f"| {' | '.join([known.kind, *told])} | {known.title_limit} | " + (
        f"{known.body_limit} |"
    )


def test_the_table_of_capabilities_is_what_the_code_says() -> None:
    lines = PAGE.read_text().splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("| forge |"))
    assert lines[first + 2 : first + 2 + len(KNOWN)] == [row(one) for one in KNOWN]


def test_every_forge_of_the_settings_is_in_the_table() -> None:
    assert {known.kind for known in KNOWN} == {kind.value for kind in ForgeKind}
