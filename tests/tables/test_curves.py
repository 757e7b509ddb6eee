"""The figure: what it draws, read from its own objects and files."""

import errno
import os
import xml.etree.ElementTree as ElementTree

import matplotlib.image
import numpy as np
import pytest

from benchmark.tables import curves, heatmap
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError
from methods.settings import settings_for
from tests.support.literal import protocol_run, record


@pytest.fixture
def drawn(monkeypatch):
    """The figures drawn during a test."""
    figures, draw = [], curves._draw
    monkeypatch.setattr(curves, "_draw", lambda panels: figures.append(draw(panels)) or figures[-1])
    return figures


def test_a_line_is_the_mean_of_the_average_accuracy_and_its_band_the_deviation(tmp_path, drawn):
    # A_t of the seeds: (80, 70) and (60, 40) percent
    runs = [
        record("ewc", "permuted-mnist", 0, [[0.8, 0.1], [0.5, 0.9]], tasks=2),
        record("ewc", "permuted-mnist", 1, [[0.6, 0.1], [0.3, 0.5]], tasks=2),
    ]
    curves.curves(runs, tmp_path / "curves")
    (axis,) = drawn[0].axes
    (line,) = axis.get_lines()
    assert line.get_xdata().tolist() == [1, 2]
    assert line.get_ydata() == pytest.approx([70, 55])
    (band,) = axis.collections
    corners = band.get_paths()[0].vertices
    low, high = 70 - 200**0.5, 70 + 200**0.5  # ddof 1: the deviation of 80 and 60 is the root of 200
    first = corners[corners[:, 0] == 1][:, 1]
    assert (first.min(), first.max()) == pytest.approx((low, high))


def test_a_single_seed_has_no_band(tmp_path, drawn):
    curves.curves([protocol_run("ewc", "split-digits", 0, 0.9, 0.5)], tmp_path / "curves")
    assert len(drawn[0].axes[0].get_lines()) == 1 and not drawn[0].axes[0].collections


def test_a_panel_a_stream_and_one_legend_in_the_paper_s_order(tmp_path, drawn):
    runs = [
        protocol_run(method, stream, 0, 0.9, 0.5)
        for stream in ("split-digits", "rotated-mnist")
        for method in sorted(METHOD_ROWS)
    ]
    curves.curves(runs, tmp_path / "curves")
    assert [axis.get_title() for axis in drawn[0].axes] == ["Rotated MNIST", "Split digits"]
    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == [row.title for row in METHOD_ROWS.values()]
    assert not any(axis.get_legend() for axis in drawn[0].axes)
    for axis in drawn[0].axes:
        lines = axis.get_lines()
        assert len({line.get_color() for line in lines}) == len(METHOD_ROWS)
        assert len({line.get_marker() for line in lines}) == len(METHOD_ROWS)


def test_a_method_looks_the_same_whoever_stands_beside_it(tmp_path, drawn):
    ewc, naive = (protocol_run(method, "split-digits", 0, 0.9, 0.5) for method in ("ewc", "naive"))
    curves.curves([ewc], tmp_path / "alone")
    curves.curves([naive, ewc], tmp_path / "beside")
    alone, beside = drawn[0].axes[0].get_lines()[0], drawn[1].axes[0].get_lines()[1]
    assert (alone.get_color(), alone.get_marker()) == (beside.get_color(), beside.get_marker())


def test_changed_settings_are_a_line_of_their_own(tmp_path, drawn):
    runs = [
        protocol_run("ewc", "split-digits", 0, 0.9, 0.5),
        record("ewc", "split-digits", 0, [[0.8, 0.1], [0.5, 0.9]], tasks=2),
    ]
    curves.curves(runs, tmp_path / "curves")
    plain, changed = drawn[0].axes[0].get_lines()
    assert len(plain.get_xdata()) == 5 and len(changed.get_xdata()) == 2
    assert plain.get_linestyle() != changed.get_linestyle()
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["EWC", "EWC [tasks=2]"]


def test_both_files_can_be_opened_and_are_the_same_for_the_same_records(tmp_path):
    runs = [protocol_run("ewc", "split-digits", seed, 0.9, 0.5 + seed / 10) for seed in range(2)]
    first, again = (curves.curves(runs, tmp_path / name / "accuracy.over.tasks") for name in ("a", "b"))
    assert [path.name for path in first] == ["accuracy.over.tasks.png", "accuracy.over.tasks.svg"]
    picture = matplotlib.image.imread(first[0])
    assert picture.shape[1] > 600 and np.ptp(picture) > 0.5
    assert ElementTree.parse(first[1]).getroot().tag.endswith("svg")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_diverged_runs_are_not_drawn(tmp_path):
    diverged = record("ewc", "split-digits", 0, [[0.9] * 5], {"task": 1, "step": 3})
    with pytest.raises(InputError, match="no complete runs"):
        curves.curves([diverged], tmp_path / "curves")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write the figure"):
        curves.curves([protocol_run("ewc", "split-digits", 0, 0.9, 0.5)], tmp_path / "file" / "curves")


def hostile():
    """Two rows of a method, whose labels matplotlib would take for broken formulas."""
    return [
        record("ewc", "split-digits", 0, [[0.8, 0.1], [0.5, 0.9]], tasks=2).model_copy(
            update={"settings": dict(settings_for("ewc", "split-digits")) | {"note": note}}
        )
        for note in ("$\\nothing{", "$x_$ $^$")
    ]


def test_what_a_record_says_is_no_formula(tmp_path, drawn):
    curves.curves(hostile(), tmp_path / "curves")
    assert all("$" in text.get_text() for text in drawn[0].legends[0].get_texts())


def test_runs_of_a_row_that_differ_in_their_tasks_are_one_line(tmp_path):
    runs = [
        record("ewc", "split-digits", tasks, [[0.5] * tasks] * tasks, tasks=tasks).model_copy(
            update={"method": "their_own", "settings": {}}
        )
        for tasks in (2, 3)
    ]
    with pytest.raises(InputError, match="runs of their_own .* on split-digits differ in their number of tasks"):
        curves.curves(runs, tmp_path / "curves")


def endless(count: int = 2):
    """Rows of a method whose labels are endless, on a stream with a name of 200 letters."""
    settings = dict(settings_for("ewc", "split-digits"))
    return [
        record("ewc", "split-digits", 0, [[0.5] * 5] * 5).model_copy(
            update={
                "method": "their_own",
                "stream": "s" * 200,
                "settings": settings | {f"text{n}": f"{'W' * 480}{row}" for n in range(8)},
            }
        )
        for row in range(count)
    ]


def test_endless_texts_are_cut_in_legend_and_titles(tmp_path, drawn):
    pictures = [*curves.curves(endless(), tmp_path / "curves"), *heatmap.heatmaps(endless(), tmp_path / "maps")]
    (legend,) = drawn[0].legends
    texts = [text.get_text() for text in legend.get_texts()] + [axis.get_title() for axis in drawn[0].axes]
    assert all(len(text) <= curves.LABEL_WIDTH and text.endswith(" …") for text in texts) and len(texts) == 3
    assert all(path.stat().st_size > 1000 for path in pictures)
    height, width, _ = matplotlib.image.imread(pictures[0]).shape
    assert max(height, width) < 2000


def test_a_figure_that_cannot_be_drawn_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: int("too\nlarge"))
    with pytest.raises(InputError, match="cannot draw the figure .*curves.png .*choose fewer rows") as error:
        curves.curves(endless(), tmp_path / "curves")
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_earlier_figure(tmp_path, monkeypatch):
    run = protocol_run("ewc", "split-digits", 0, 0.9, 0.5)
    before = {path: path.read_bytes() for path in curves.curves([run], tmp_path / "curves")}

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="cannot write the figure .*curves.png .*No space left"):
        curves.curves([protocol_run("ewc", "split-digits", 0, 0.9, 0.1)], tmp_path / "curves")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
