"""docs/running.md names what there is."""

from __future__ import annotations

import re
from pathlib import Path

from service.settings import Settings
from tests.support.reference import cli_reference

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "running.md").read_text()


def test_every_command_on_the_page_is_one() -> None:
    known = re.findall(r"^## directus-gitops ([a-z -]+)", cli_reference(), re.MULTILINE)
    commands = {text.strip() for text in known}
    used = set(re.findall(r"directus-gitops ((?:[a-z]+ ?){1,2})", PAGE))
    words = {text.strip() for text in used}
    assert len(words) > 8
    for text in words - {"serve http"}:
        first = text.split(" ")[0]
        assert text in commands or first in commands, text


def test_every_setting_on_the_page_is_one() -> None:
    names = set(re.findall(r"DIRECTUS_GITOPS_([A-Z_]+)", PAGE))
    assert names
    assert {name.lower() for name in names} <= set(Settings.model_fields)


def test_every_folder_on_the_page_is_there() -> None:
    folders = set(re.findall(r"`(deploy/[\w/-]*)`", PAGE))
    assert folders
    assert all((ROOT / folder).exists() for folder in folders)
