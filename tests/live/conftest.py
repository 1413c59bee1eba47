"""Reads whom to talk to; without a repository nothing of this folder is collected."""

from __future__ import annotations

import os

LIVE_NAMES = ("LIVE_FORGE", "LIVE_URL", "LIVE_TOKEN")

if not all(os.environ.get(name) for name in LIVE_NAMES):
    collect_ignore_glob = ["test_*.py"]
