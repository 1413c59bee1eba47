"""The world every test lives in: empty HOME, no user's Git settings, no network."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
_KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "CI",
    "VIRTUAL_ENV",
    "COVERAGE_PROCESS_START",
)


@pytest.fixture(autouse=True)
def clean_environment(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Give each test a HOME of its own, and none of the caller's settings."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("GIT_", "DIRECTUS_GITOPS_", "KUSTOMIZE_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    return home


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections that leave the machine, loudly."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(
            ("127.", "::1")
        ):
            self.close()
            raise AssertionError(f"a test tried to reach {address!r}")
        connect(self, address)  # type: ignore[arg-type]  # whatever the caller gave

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def kustomize() -> Path:
    """Return the real kustomize (or kubectl), or skip with a reason."""
    for candidate in (os.environ.get("TEST_KUSTOMIZE", ""), "kustomize", "kubectl"):
        found = shutil.which(candidate) if candidate else None
        if found:
            return Path(found)
    pytest.skip("no kustomize and no kubectl: run `directus-gitops tools install`")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of foreign data for tests, or skip with a reason."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED.name}/ is not beside this checkout")
    return SHARED


_EXPECTED_SKIPS = (
    "is not beside this checkout",  # foreign data, where the folder is absent
    "root may read everything",  # the gate runs as root, and once as a user
    "only root can give a folder away",
)


class StrictSkips:
    """Fail a run in which a test was skipped for a reason that nobody expected."""

    def __init__(self) -> None:
        self.unexpected: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = str(report.longrepr)
            if not any(text in reason for text in _EXPECTED_SKIPS):
                self.unexpected.append(f"{report.nodeid}: {reason}")

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        for line in self.unexpected:
            terminalreporter.write_line(f"UNEXPECTED SKIP {line}", red=True)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unexpected and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_configure(config: pytest.Config) -> None:
    """Where the real parts are installed, a skip is a failure."""
    if os.environ.get("TEST_STRICT_SKIPS") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(StrictSkips(), "strict-skips")
