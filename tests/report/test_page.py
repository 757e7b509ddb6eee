"""The report's data and its page as text; tests/report/test_browser.py opens it in a browser."""

import html
import html.parser
import re

import numpy as np
import pytest

from benchmark.cli.main import main
from benchmark.records import store
from benchmark.records.schema import compose
from benchmark.report import drawing
from benchmark.report.data import streams
from benchmark.report.measured import MOST_POINTS, _thinned, figures, tables
from benchmark.report.origins import origins
from benchmark.report.page import page
from benchmark.report.settings import CHANGED, marks
from benchmark.tables import curves
from benchmark.tables.table import frame
from tests.support.literal import PROVENANCE, protocol_run, record

EWC = [  # A_t: 80 and 70, 60 and 40 percent; forgetting of the first task: 0.3 and 0.3
    record("ewc", "permuted-mnist", 0, [[0.8, 0.1], [0.5, 0.9]], tasks=2),
    record("ewc", "permuted-mnist", 1, [[0.6, 0.1], [0.3, 0.5]], tasks=2),
]
DIVERGED = record("naive", "permuted-mnist", 3, [[0.9] * 20] * 3, {"task": 3, "step": 7})
BAD = "</script><script>alert(1)</script>"


def foreign(seed=0, matrix=EWC[0].accuracy_matrix, **settings):
    """A run of a method and on a stream from elsewhere."""
    return compose("theirs", "their_stream", seed, settings, matrix, 2.0, None, PROVENANCE)


def test_a_cell_is_averaged_over_its_seeds():
    (cell,) = streams(EWC)[0].cells
    assert cell.label == "EWC [tasks=2]" and cell.published is None and cell.seeds == [0, 1]
    assert cell.average_accuracy == [pytest.approx((70, 200**0.5)), pytest.approx((55, 450**0.5))]
    assert cell.matrix == [pytest.approx([70, np.nan], nan_ok=True), pytest.approx([40, 70])]
    assert cell.forgetting == [pytest.approx((0.3, 0))]
    assert cell.seconds == (1.5, 1.5, 1.5)


def test_forgetting_by_task_averages_to_the_table_s():
    matrices = [[[0.9, 0.1, 0.2], [0.7, best, 0.1], [0.2, 0.5, 0.6]] for best in (0.8, 0.7, 0.6)]
    runs = [record("ewc", "split-digits", seed, matrix, tasks=3) for seed, matrix in enumerate(matrices)]
    (cell,) = streams(runs)[0].cells
    assert [mean for mean, _ in cell.forgetting] == pytest.approx([0.7, 0.2])
    assert sum(mean for mean, _ in cell.forgetting) / 2 == pytest.approx(frame(runs)["forgetting_mean"][0])


def test_a_single_seed_has_no_spread_and_a_diverged_run_is_counted_only():
    (part,) = streams([protocol_run("naive", "permuted-mnist", 0, 0.9, 0.5), DIVERGED])
    (cell,) = part.cells
    assert cell.seeds == [0] and cell.row["diverged"] == 1
    assert cell.average_accuracy[-1] == (pytest.approx(50), None)
    assert cell.published.accuracy == 44.4 and cell.row["accuracy_std"] is None


def test_a_cell_without_a_complete_run_has_nothing_to_draw():
    (part,) = streams([DIVERGED])
    (cell,) = part.cells
    assert (cell.average_accuracy, cell.matrix, cell.forgetting, cell.seconds) == ([], [], [], None)
    text = page([DIVERGED])
    assert "1 run diverged" in text and "diverged in task 4, step 8" in text and "No complete run to draw" in text


def test_runs_of_unlike_length_are_not_averaged_task_by_task():
    (cell,) = streams([foreign(0), foreign(1, [[0.5]])])[0].cells
    assert cell.unlike and cell.seeds == [0, 1] and cell.matrix == []
    assert "different numbers of tasks" in page([foreign(0), foreign(1, [[0.5]])])


def test_a_stream_of_one_task_has_a_page():
    text = page([foreign(0, [[0.5]])])
    assert "50.0" in text and "NaN" not in text


def test_settings_stand_beside_their_sources():
    (part,) = streams([*EWC, protocol_run("ewc", "permuted-mnist", 0, 0.9, 0.5)])
    entries = part.settings.entries
    assert entries["tasks"] == [("20", "paper, section 5"), ("2", CHANGED)]
    assert part.settings.common("tasks") is None
    assert part.settings.common("batch_size") == ("32", "published code, replicate_mnist.sh")
    assert list(marks([part.settings]).items())[:2] == [("paper, section 5", "a"), (CHANGED, "b")]
    assert len(set(marks([part.settings]).values())) == len(marks([part.settings]))


def test_settings_from_elsewhere_have_no_source():
    (part,) = streams([foreign(0, depth=3, wide=True), foreign(1, depth=4)])
    assert part.settings.entries == {"depth": [("3", ""), ("4", "")], "wide": [("yes", ""), ("–", "")]}
    assert marks([part.settings]) == {}


def test_what_runs_share_is_named_once():
    other = compose(
        "ewc",
        "split-digits",
        0,
        {},
        [[0.5]],
        1.0,
        None,
        PROVENANCE | {"processor": "another\u202e\x07", "commit": None, "clean": None, "data": {}},
    )
    found = origins([*EWC, other])
    assert [run.machine for run in found.runs] == ["M1", "M1", "M2"]
    assert [run.data for run in found.runs] == ["D1", "D1", ""]
    assert found.machines["M1"] == {
        "processor": "a processor",
        "device": "cpu",
        "threads": "1",
        "python": "3.11.4",
        "torch": "unknown",
    }
    assert found.machines["M2"]["processor"] == "another??"
    assert (found.runs[2].commit, found.runs[2].clean) == ("unknown", "unknown")
    assert found.runs[0].started == "2026-01-02 03:04:05"
    assert re.fullmatch(r"permuted-mnist/ewc/seed-0-[0-9a-f]{8}\.json", found.runs[0].path)


def test_a_method_looks_as_in_the_drawn_figure():
    looks = drawing.styles(streams([*EWC, protocol_run("ewc", "permuted-mnist", 0, 0.9, 0.5), foreign()]))
    assert [(style.label, style.colour, style.line) for style in looks.values()] == [
        ("EWC", 1, 0),
        ("EWC [tasks=2]", 1, 1),
        ("theirs (external)", 6, 0),
    ]
    assert len(curves.COLOURS) == drawing.COLOURS and len(curves.LINES) == drawing.LINES
    for number, colour in enumerate(curves.COLOURS):
        assert f"--c{number}: {colour.lower()};" in page(EWC)


def test_a_curve_lies_where_its_numbers_are():
    parts = streams(EWC)
    (panel,) = drawing.panels(parts, drawing.styles(parts))
    assert panel.up[0] == (drawing.BOTTOM, "20") and panel.up[-1] == (drawing.TOP, "100")
    (line,) = panel.lines
    places = [float(y) for _, y in re.findall(r"([\d.]+) ([\d.]+)", line.line)]
    share = (drawing.BOTTOM - drawing.TOP) / 80
    assert places == pytest.approx([drawing.BOTTOM - 50 * share, drawing.BOTTOM - 35 * share], abs=0.05)
    assert line.band and line.markers.count("M") == 2
    assert [x for x, _ in panel.across] == [panel.first, panel.first + panel.step]


def test_a_task_that_gets_better_hangs_below_the_axis():
    (part,) = streams([foreign(0, [[0.5, 0.5, 0.1], [0.5, 0.5, 0.1], [0.9, 0.4, 0.1]])])
    (drawn,) = drawing.bars(part)
    better, worse = drawn.bars
    assert better.y == drawn.zero and better.height == pytest.approx(4 * worse.height)
    assert worse.y + worse.height == pytest.approx(drawn.zero) and worse.y == pytest.approx(drawing.BARS_TOP)


@pytest.mark.parametrize(
    ("tasks", "ticks"),
    [
        (1, [1]),
        (5, [1, 2, 3, 4, 5]),
        (10, [1, 2, 4, 6, 8, 10]),
        (20, [1, 5, 10, 15, 20]),
        (500, [1, 100, 200, 300, 400, 500]),
    ],
)
def test_ticks_of_tasks(tasks, ticks):
    assert drawing.task_ticks(tasks) == ticks


class Reader(html.parser.HTMLParser):
    """What a browser makes of a page: its tags, its text, what it would load."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.said, self.loads = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [value for name, value in attributes if name in ("src", "href", "data", "action")]
        assert not any(name.startswith("on") or name == "style" for name, _ in attributes)

    def handle_data(self, data):
        self.said += data


def test_what_records_say_is_text_and_nothing_else():
    origin = PROVENANCE | dict.fromkeys(("commit", "code", "processor", "device", "started"), BAD)
    origin |= {"versions": {BAD: BAD}, "data": {BAD: BAD}}
    runs = [
        compose(
            "ewc", "permuted-mnist", n, {"note": f"{BAD}{n}", "tasks": 2}, EWC[0].accuracy_matrix, 1.0, None, origin
        )
        for n in range(2)
    ]
    text = page(runs)
    found = Reader(text)
    assert found.tags.count("script") == 1 and "<script>alert" not in text
    assert "EWC [without batch_size" in found.said and f"note={BAD}1" in found.said
    assert all(link.startswith(("#", "data:text/plain;charset=utf-8,")) for link in found.loads)
    assert "default-src 'none'" in html.unescape(text) and "unsafe" not in text


def test_a_page_of_the_whole_table_is_small():
    runs = [
        protocol_run(method, stream, seed, 0.9123, 0.5 + seed / 97)
        for stream in ("permuted-mnist", "rotated-mnist", "split-cifar100")
        for method in ("naive", "ewc", "agem", "er-reservoir", "stable-sgd", "multitask")
        for seed in range(5)
    ]
    assert len(page(runs).encode()) < 600_000


def test_the_command_writes_the_page_into_the_results(tmp_path, capsys):
    for run in EWC:
        store.save(tmp_path / "results", run)
    assert main(["report", "--results", str(tmp_path / "results")]) == 0
    written = tmp_path / "results" / "report.html"
    assert capsys.readouterr().out == f"report: {written}\n"
    assert written.read_text(encoding="utf-8") == page(store.load_all(tmp_path / "results"))
    assert main(["report", "--results", str(tmp_path / "results"), "--output", str(tmp_path / "new" / "a.html")]) == 0
    assert (tmp_path / "new" / "a.html").read_bytes() == written.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--results", "none"], ["none", "no records", "run"]),
        (["--output", "page.pdf"], ["--output", "page.pdf", ".html"]),
        (["--output", ""], ["--output", "empty"]),
        (["--output", "x"], ["--output", ".html"]),
        (["--output=~nobody-of-that-name/x.html"], ["--output", "no home directory"]),
        (["--results", "some", "--output", "file/a.html"], ["cannot write", "file/a.html"]),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store.save(tmp_path / "some", EWC[0])
    (tmp_path / "file").write_text("kept")
    assert main(["report", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and all(part in err for part in said)
    assert (tmp_path / "file").read_text() == "kept"


def measured(seed: int, accuracy: list[list[float]]):
    """A run on two tasks with `continual` measured twice in each."""
    run = record("ewc", "permuted-mnist", seed, [[0.8, None], [0.5, 0.9]], tasks=2)
    values = {"phase": [0, 0, 1, 1], "step": [5, 10, 15, 20], "accuracy": accuracy}
    kept = {"continual": {"options": {"every": 5}, "code": "1-a", "values": values}}
    return type(run).model_validate(run.model_dump() | {"measurements": kept})


MEASURED = [measured(0, [[0.1], [0.8], [0.2, 0.5], [0.6, 0.9]]), measured(1, [[0.3], [0.6], [0.4, 0.5], [0.6, 0.9]])]


def test_further_metrics_are_a_table_where_they_are_defined():
    (table,) = tables([*EWC, DIVERGED])
    assert table.title == "Permuted MNIST" and [metric.name for metric in table.metrics][:2] == [
        "average_anytime_accuracy",
        "min_accuracy",
    ]
    assert "stability_gap" not in {metric.name for metric in table.metrics}
    ((label, (anytime, least, *_)),) = table.rows
    assert label.startswith("EWC") and anytime[0] == pytest.approx(100 * ((0.8 + 0.7) / 2 + (0.6 + 0.4) / 2) / 2)
    assert least[0] == pytest.approx(40.0) and least[2] == 2
    assert tables([DIVERGED]) == []


def test_accuracy_on_earlier_tasks_is_drawn_over_the_steps():
    looks = drawing.styles(streams(MEASURED))
    (figure,) = figures(MEASURED, looks)
    ((_, line),) = figure.lines
    across = drawing.Scale(0, 20, drawing.LEFT + 8, drawing.RIGHT - 8)
    up = drawing.Scale(0, 100, drawing.BOTTOM, drawing.TOP)
    points = [tuple(map(float, point.split())) for point in line[1:].split("L")]
    expected = [(across(step), up(100 * value)) for step, value in ((10, 0.7), (15, 0.3), (20, 0.6))]
    assert points == [pytest.approx(point, rel=1e-3) for point in expected]
    assert figure.starts == [across(10)]
    text = page(MEASURED)
    assert line in text and "WC-ACC %" in text and 'class="steps"' in text
    assert 'class="steps"' not in page(EWC) and figures(EWC, looks) == []


def test_a_line_of_many_points_keeps_every_dip():
    values = np.full(10_000, 0.5)
    values[[17, 5000, 9_998]] = 0.1, 0.9, 0.2
    points = _thinned(range(10_000), values)
    assert len(points) <= MOST_POINTS and {(17, 0.1), (5000, 0.9), (9_998, 0.2)} <= set(points)
    assert points == sorted(points)
