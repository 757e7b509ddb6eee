"""The heat maps: what they draw, read from their own objects and files."""

import xml.etree.ElementTree as ElementTree

import matplotlib.image
import numpy as np
import pytest

from benchmark.cli.main import main
from benchmark.records import store
from benchmark.records.schema import About
from benchmark.tables import heatmap
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError
from tests.support.literal import protocol_run, record


@pytest.fixture
def drawn(monkeypatch):
    """The figures drawn during a test."""
    figures, draw = [], heatmap._draw
    monkeypatch.setattr(heatmap, "_draw", lambda *given: figures.append(draw(*given)) or figures[-1])
    return figures


def panels(figure):
    return [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]


def forgetful(tasks: int) -> list[list[float]]:
    """0.9 on the task at hand, less for each one since; 0.1 on those to come."""
    return [[max(0.1, 0.9 - 0.05 * (t - i)) if i <= t else 0.1 for i in range(tasks)] for t in range(tasks)]


def test_a_panel_is_the_mean_matrix_with_the_first_row_on_top(tmp_path, drawn):
    runs = [
        record("ewc", "split-digits", 0, [[0.8, 0.1], [0.5, 0.9]], tasks=2),
        record("ewc", "split-digits", 1, [[0.6, 0.1], [0.3, 0.5]], tasks=2),
    ]
    heatmap.heatmaps(runs, tmp_path / "heat")
    (axis,) = panels(drawn[0])
    (image,) = axis.get_images()
    assert image.get_array().tolist() == [[pytest.approx(70), None], pytest.approx([40, 70])]  # None: blank
    assert image.origin == "upper" and list(image.get_extent()) == [0.5, 2.5, 2.5, 0.5]
    assert (drawn[0].get_supxlabel(), drawn[0].get_supylabel()) == ("task", "after training task")


def test_a_panel_a_method_in_the_paper_s_order_on_one_scale(tmp_path, drawn):
    runs = [
        protocol_run(method, stream, 0, 0.9, 0.5)
        for stream in ("split-digits", "rotated-mnist")
        for method in sorted(METHOD_ROWS)
    ]
    paths = heatmap.heatmaps(runs, tmp_path / "heat.map")
    assert [path.name for path in paths] == [
        "heat.map-rotated-mnist.png",
        "heat.map-rotated-mnist.svg",
        "heat.map-split-digits.png",
        "heat.map-split-digits.svg",
    ]
    assert [figure.get_suptitle() for figure in drawn] == ["Rotated MNIST", "Split digits"]
    for figure in drawn:
        assert [axis.get_title() for axis in panels(figure)] == [row.title for row in METHOD_ROWS.values()]
        assert {axis.get_images()[0].get_clim() for axis in panels(figure)} == {(0, 100)}


def test_tasks_to_come_are_blank_but_multitask_meets_all_at_once(tmp_path, drawn):
    at_once = record("multitask", "split-digits", 0, [[0.9, 0.8]] * 2, tasks=2)
    not_measured = record("ewc", "split-digits", 0, [[0.9, None], [0.5, 0.8]], tasks=2)
    heatmap.heatmaps([not_measured, at_once], tmp_path / "heat")
    shown = [axis.get_images()[0].get_array().tolist() for axis in panels(drawn[0])]  # None: blank
    assert shown == [[[pytest.approx(90), None], pytest.approx([50, 80])], [pytest.approx([90, 80])] * 2]


@pytest.mark.parametrize("tasks", [1, 2, 3, 40])
def test_any_number_of_tasks_has_whole_numbers_on_both_axes(tmp_path, drawn, tasks):
    heatmap.heatmaps([record("ewc", "permuted-digits", 0, forgetful(tasks), tasks=tasks)], tmp_path / "heat")
    (axis,) = panels(drawn[0])
    for ticks, (low, high) in ((axis.get_xticks(), axis.get_xlim()), (axis.get_yticks(), sorted(axis.get_ylim()))):
        shown = [tick for tick in ticks if low <= tick <= high]
        assert shown and all(tick == round(tick) for tick in shown) and len(shown) <= 8


def test_a_long_name_stays_above_its_panel(tmp_path, drawn):
    long = record("ewc", "split-digits", 0, [[0.5] * 2] * 2, tasks=2).model_copy(
        update={"settings": {"tasks": 2, "note": "$\\nothing{ " + 100 * "word "}}
    )
    heatmap.heatmaps([long], tmp_path / "heat")
    lines = panels(drawn[0])[0].get_title().splitlines()
    assert len(lines) == 3 and max(map(len, lines)) <= heatmap.TITLE_WIDTH and lines[-1].endswith("…")


def test_both_files_can_be_opened_and_are_the_same_for_the_same_records(tmp_path):
    runs = [record("ewc", "permuted-digits", seed, forgetful(20)) for seed in range(2)]
    first, again = (heatmap.heatmaps(runs, tmp_path / name / "heat") for name in ("a", "b"))
    picture = matplotlib.image.imread(first[0])
    assert picture.shape[1] > 400 and np.ptp(picture) > 0.5
    assert ElementTree.parse(first[1]).getroot().tag.endswith("svg")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert all(path.stat().st_size < 400_000 for path in first)


def test_diverged_runs_are_not_drawn(tmp_path):
    diverged = record("ewc", "split-digits", 0, [[0.9] * 5], {"task": 1, "step": 3})
    with pytest.raises(InputError, match="no complete runs"):
        heatmap.heatmaps([diverged], tmp_path / "heat")
    assert not list(tmp_path.iterdir())


def test_the_table_command_writes_them(tmp_path, capsys):
    store.save(tmp_path / "results", record("ewc", "split-digits", 0, forgetful(3), tasks=3))
    asked = ["table", "--results", str(tmp_path / "results"), "--heatmaps"]
    assert main([*asked, str(tmp_path / "new" / "heat")]) == 0
    stem = tmp_path / "new" / "heat-split-digits"
    assert f"heat maps: {stem}.png {stem}.svg\n" in capsys.readouterr().out
    assert sorted(path.name for path in stem.parent.iterdir()) == ["heat-split-digits.png", "heat-split-digits.svg"]
    (tmp_path / "file").write_text("")
    assert main([*asked, str(tmp_path / "file" / "heat")]) == 2
    error = capsys.readouterr().err
    assert "cannot write the figure" in error and error.count("\n") == 1


def test_two_methods_of_one_title_are_two_panels(tmp_path, drawn):
    run = protocol_run("ewc", "split-digits", 0, 0.9, 0.5)
    both = [run.model_copy(update={"method": name, "about": About(title="Mine")}) for name in ("one", "two")]
    heatmap.heatmaps(both, tmp_path / "maps")
    titles = [axis.get_title() for axis in drawn[0].axes]
    assert titles.count("Mine (external)") == 2
