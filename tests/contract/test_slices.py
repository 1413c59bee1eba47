"""What we keep of forges' descriptions is what the whole ones say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.slices import SLICES, Slice


@pytest.mark.parametrize("kept", SLICES, ids=lambda one: one.name)
def test_a_slice_says_what_the_whole_description_says(
    kept: Slice, shared: Path
) -> None:
    assert kept.whole_path.is_relative_to(shared)
    assert kept.read() == kept.cut()
