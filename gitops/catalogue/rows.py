"""What is known of Directus releases: rows of facts, each with its public source.

Data only. A row says what was read or counted, never what is likely; the questions
are answered next door, in gitops.catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from gitops.model import Severity

_RELEASE: Final = "https://github.com/directus/directus/releases/tag/v"
_PULL: Final = "https://github.com/directus/directus/pull/"
_ISSUE: Final = "https://github.com/directus/directus/issues/"
_NOTES: Final = "https://directus.io/docs/releases/breaking-changes/version-"


def release_page(release: str) -> str:
    """Return the address of a release's notes."""
    return f"{_RELEASE}{release}"


# --- releases ---


# As listed by `npm view directus versions` and by the release pages. The list has gaps;
# what falls into one is told as such.
# fmt: off
VERSIONS: Final = (
    "9.24.0", "9.26.0",
    "10.0.0", "10.1.0", "10.2.0", "10.2.1", "10.3.0", "10.4.0", "10.5.0", "10.5.2",
    "10.6.0", "10.6.3", "10.7.0", "10.7.1", "10.7.2", "10.8.0", "10.8.2", "10.8.3",
    "10.9.0", "10.9.1", "10.9.2", "10.9.3", "10.10.0", "10.10.4", "10.11.0", "10.11.1",
    "10.11.2", "10.12.0", "10.13.0", "10.13.1", "10.13.2", "10.13.4",
    "11.0.0", "11.0.1", "11.1.0", "11.1.1", "11.1.2", "11.2.0", "11.2.1", "11.2.2",
    "11.3.4", "11.3.5", "11.4.0", "11.4.1", "11.6.1", "11.7.0", "11.7.2", "11.8.0",
    "11.9.2", "11.11.0", "11.12.0", "11.13.0", "11.13.3", "11.13.4", "11.14.0",
    "11.14.1", "11.16.0", "11.16.1", "11.17.4",
    "12.0.0", "12.0.1", "12.0.2", "12.1.0", "12.1.1", "12.2.0", "12.3.0", "12.3.1",
    "12.4.0", "12.4.1",
)
# fmt: on

# Day of the release page or of its release pull request, where it was looked up.
RELEASED: Final = {
    "11.4.0": date(2025, 1, 16),
    "11.11.0": date(2025, 8, 27),
    "11.12.0": date(2025, 9, 16),
    "11.13.0": date(2025, 11, 4),
    "12.0.0": date(2026, 6, 10),
    "12.0.2": date(2026, 6, 12),
    "12.1.0": date(2026, 7, 1),
    "12.4.1": date(2026, 9, 23),
}


# --- licences ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """The terms that hold from a release on.

    Attributes:
        since: first release under it.
        name: SPDX identifier where there is one.
        meaning: what it asks of a production installation, in one sentence.
        source: public page.
    """

    since: str
    name: str
    meaning: str
    source: str


LICENCES: Final = (
    Licence(
        since="9.0.0",
        name="GPL-3.0-only",
        meaning="free software",
        source="https://github.com/directus/directus/releases/tag/v9.26.0",
    ),
    Licence(
        since="10.0.0",
        name="BUSL-1.1",
        meaning="production use is free below 5 million US dollars of total finances",
        source=release_page("10.0.0"),
    ),
    Licence(
        since="12.0.0",
        name="MSCL-1.0-GPL",
        meaning="without a licence key only the Core tier is available",
        source=f"{_PULL}27417",
    ),
)


# --- migrations ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A release whose migration files were counted.

    Attributes:
        version: the release.
        added: migrations that the release counted before it did not have.
    """

    version: str
    added: tuple[str, ...] = ()


# Source: the files dist/database/migrations/*.js of the npm package @directus/api that
# each `directus` release depends on (73 files in 10.10.4, 109 in 12.4.1).
MIGRATIONS: Final = (
    Counted(version="10.10.4"),
    Counted(
        version="10.13.4",
        added=(
            "20240122A-add-report-url-fields",
            "20240305A-change-useragent-type",
            "20240311A-deprecate-webhooks",
            "20240422A-public-registration",
            "20240515A-add-session-window",
            "20240701A-add-tus-data",
            "20240716A-update-files-date-fields",
        ),
    ),
    Counted(version="11.0.1", added=("20240806A-permissions-policies",)),
    Counted(
        version="11.1.2",
        added=(
            "20240817A-update-icon-fields-length",
            "20240909A-separate-comments",
            "20240909B-consolidate-content-versioning",
        ),
    ),
    Counted(
        version="11.4.0",
        added=(
            "20240924A-migrate-legacy-comments",
            "20240924B-populate-versioning-deltas",
        ),
    ),
    Counted(version="11.7.2", added=("20250224A-visual-editor",)),
    Counted(
        version="11.11.0",
        added=(
            "20250609A-license-banner",
            "20250613A-add-project-id",
            "20250718A-add-direction",
        ),
    ),
    Counted(
        version="11.13.4",
        added=(
            "20250813A-add-mcp",
            "20251012A-add-field-searchable",
            "20251014A-add-project-owner",
            "20251028A-add-retention-indexes",
        ),
    ),
    Counted(
        version="11.16.1",
        added=(
            "20251103A-add-ai-settings",
            "20251224A-remove-webhooks",
            "20260110A-add-ai-provider-settings",
            "20260113A-add-revisions-index",
            "20260128A-add-collaborative-editing",
            "20260204A-add-deployment",
            "20260211A-add-deployment-webhooks",
        ),
    ),
    Counted(version="11.17.4"),
    Counted(
        version="12.0.2",
        added=(
            "20260217A-null-item-versions",
            "20260312A-add-ai-translation-settings",
            "20260507A-add-licensing",
            "20260512A-add-autosave-revision-interval",
            "20260512B-add-mcp-oauth",
        ),
    ),
    Counted(version="12.1.1"),
    Counted(version="12.2.0", added=("20260727A-add-default-save-action",)),
    Counted(version="12.3.1"),
    Counted(
        version="12.4.0",
        added=("20260818A-add-flow-folders", "20260909A-add-flows-module"),
    ),
    Counted(version="12.4.1"),
)

LOSSES: Final = {
    "20240806A-permissions-policies": "rewrites roles and permissions as policies",
    "20240924A-migrate-legacy-comments": "moves comments out of directus_activity",
    "20251014A-add-project-owner": "drops directus_settings.accepted_terms",
    "20251224A-remove-webhooks": "drops the table directus_webhooks",
}
"""Migrations whose way up moves or drops data that an older release reads."""


# --- changes that touch manifests ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A change of behaviour that a deployment may have to answer.

    Attributes:
        since: first release with it.
        rule: name of the finding.
        severity: WARNING when manifests or extensions may fail, else INFO.
        message: what changes.
        hint: what to look at.
        source: public page.
    """

    since: str
    rule: str
    severity: Severity
    message: str
    hint: str
    source: str


BREAKS: Final = (
    Break(
        since="10.2.0",
        rule="server-info",
        severity=Severity.INFO,
        message="/server/info no longer tells its version to anonymous callers",
        hint="checks that read the version need a token",
        source=release_page("10.2.0"),
    ),
    Break(
        since="10.4.0",
        rule="redis-variables",
        severity=Severity.WARNING,
        message="one set of REDIS* variables replaces the one per purpose; memcached "
        "is gone",
        hint="rename *_REDIS* variables, and use memory or redis as store",
        source=release_page("10.4.0"),
    ),
    Break(
        since="10.10.0",
        rule="extension-folders",
        severity=Severity.WARNING,
        message="extensions in folders by type are ignored; migrations of one's own "
        "are read from MIGRATIONS_PATH, mail templates from EMAIL_TEMPLATES_PATH",
        hint="move extensions one level up, and set both paths where used",
        source=f"{_NOTES}10",
    ),
    Break(
        since="10.10.0",
        rule="session-cookies",
        severity=Severity.INFO,
        message="the Data Studio logs in with session cookies",
        hint="check SESSION_COOKIE_* where several hosts share a domain",
        source=release_page("10.10.0"),
    ),
    Break(
        since="11.0.0",
        rule="permission-policies",
        severity=Severity.WARNING,
        message="permissions become policies; an older release cannot use the "
        "database afterwards",
        hint="take a backup first: only restoring it leads back",
        source=release_page("11.0.0"),
    ),
    Break(
        since="11.0.0",
        rule="mysql-driver",
        severity=Severity.INFO,
        message="the driver for MySQL and MariaDB is mysql2",
        hint="check DB_* options that are passed to the driver",
        source=release_page("11.0.0"),
    ),
    Break(
        since="11.1.1",
        rule="email-transport",
        severity=Severity.WARNING,
        message="the e-mail transport for SendGrid is gone",
        hint="use SMTP where EMAIL_TRANSPORT is sendgrid",
        source=release_page("11.1.1"),
    ),
    Break(
        since="11.4.0",
        rule="node-floor",
        severity=Severity.WARNING,
        message="Node.js 22 is required; it was 18",
        hint="rebuild images of your own, and check extensions outside the sandbox",
        source=f"{_NOTES}11",
    ),
    Break(
        since="11.7.0",
        rule="database-floor",
        severity=Severity.WARNING,
        message="MySQL 5.7 is no longer supported",
        hint="upgrade the database first",
        source=release_page("11.7.0"),
    ),
    Break(
        since="12.0.0",
        rule="licence-enforcement",
        severity=Severity.WARNING,
        message="licence limits are enforced: an upgraded database has 30 days, a new "
        "one none; with LICENSE_KEY set, a first start without a way to "
        "licensing.directus.com fails",
        hint="decide on a key for each environment, and let the network policy pass "
        "port 443",
        source=release_page("12.0.0"),
    ),
    Break(
        since="12.0.0",
        rule="ip-trust-proxy",
        severity=Severity.WARNING,
        message="IP_TRUST_PROXY is false unless set; it was true",
        hint="behind an Ingress set it to true or to a range, else all clients share "
        "one address in rate limits and in the audit log",
        source=f"{_PULL}27607",
    ),
    Break(
        since="12.0.0",
        rule="probe-path",
        severity=Severity.WARNING,
        message="/server/health refuses anonymous callers",
        hint="probe /server/ping (startup, liveness) and /server/info (readiness)",
        source=f"{_PULL}27160",
    ),
    Break(
        since="12.0.0",
        rule="health-checks",
        severity=Severity.INFO,
        message="the checks of cache and rate limiters are one check named redis:",
        hint="rename them in monitoring that reads /server/health",
        source=f"{_PULL}27160",
    ),
    Break(
        since="12.1.0",
        rule="image-tools",
        severity=Severity.WARNING,
        message="the image holds neither npm nor npx",
        hint="run `node /directus/cli.js`, and install extensions when building",
        source=release_page("12.1.0"),
    ),
    Break(
        since="12.1.0",
        rule="websocket-origin",
        severity=Severity.WARNING,
        message="WebSocket connections must match CORS_ORIGIN",
        hint="list every origin that opens one",
        source=f"{_PULL}27812",
    ),
    Break(
        since="12.1.0",
        rule="upload-paths",
        severity=Severity.INFO,
        message="uploads into the folders of extensions and temporary files are "
        "refused",
        hint="check STORAGE_*_ROOT, EXTENSIONS_PATH and TEMP_PATH for overlaps",
        source=f"{_PULL}27803",
    ),
    Break(
        since="12.2.0",
        rule="import-limit",
        severity=Severity.INFO,
        message="imports end at 50 MB and transformed images at a fixed size, unless "
        "set otherwise",
        hint="set IMPORT_MAX_FILE_SIZE where larger files are imported",
        source=release_page("12.2.0"),
    ),
)

BOOTSTRAP_RACE: Final = f"{_ISSUE}23707"
"""Two containers that migrate at once: one of them fails. Directus takes no lock."""
