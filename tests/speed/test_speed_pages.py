"""The figures of speed that the documents show are those that are kept in results/."""

import json
from pathlib import Path

import pytest

from tests.speed import gpu_tables, speed_tables

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "page, kept, shown",
    [
        ("docs/performance.md", "gpu.json", lambda kept: gpu_tables.document(kept, PROJECT / "results")),
        (
            "docs/performance.md",
            "speed.json",
            lambda kept: speed_tables.document(kept, speed_tables.of_other_machines(PROJECT / "results")),
        ),
        ("docs/scaling.md", "speed.json", speed_tables.cost_table),
    ],
)
def test_a_page_shows_what_is_kept(page, kept, shown):
    figures = json.loads((PROJECT / "results" / kept).read_text(encoding="utf-8"))
    assert shown(figures) in (PROJECT / page).read_text(encoding="utf-8")
