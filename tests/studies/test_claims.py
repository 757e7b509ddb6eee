"""The sentences of the README that state a count are what the settings and the recorded trials give."""

from pathlib import Path

from benchmark.streams.kinds import PAPER_STREAMS
from benchmark.studies.trials import recorded
from methods.catalogue import METHOD_ROWS
from methods.settings import sources_for

ROOT = Path(__file__).resolve().parents[2]
SEARCH = "our search over the paper's grid"
CELLS = [(method, stream) for stream in PAPER_STREAMS for method in METHOD_ROWS]


def test_the_readme_says_how_many_cells_rest_on_the_search_and_how_many_on_the_paper():
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    searched = sum(SEARCH in sources_for(*cell).values() for cell in CELLS)
    firsts = [recorded(*cell, ROOT / "results")[0] for cell in CELLS]
    assert f"The settings of {searched} of the {len(CELLS)} cells come from a search" in readme
    within = sum(trial.distance <= 1 for trial in firsts)
    assert f"{within} of the {len(CELLS)} cells lie within the bounds (one seed)" in readme
