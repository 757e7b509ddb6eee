"""The table of literal records, its text compared letter for letter."""

import csv
import io
import json
import math

import pandas as pd
import pytest

from benchmark.records.derived import metrics
from benchmark.records.frames import frame_of
from benchmark.records.schema import Record, compose
from benchmark.report.page import page
from benchmark.streams.kinds import PAPER_STREAMS
from benchmark.tables.published import PUBLISHED
from benchmark.tables.table import COLUMNS, _beside, frame, render, streams
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError
from methods.settings import settings_for
from tests.support.literal import PROVENANCE, protocol_run, record
from tests.support.process import python

DIVERGED = record("ewc", "permuted-mnist", 4, [[0.9] * 20] * 3, {"task": 3, "step": 7})
QUICK = record("ewc", "permuted-mnist", 0, [[0.8, 0.1], [0.5, 0.9]], tasks=2)


@pytest.fixture
def runs():
    """Deliberately not in the order of the table."""
    return [
        QUICK,
        protocol_run("multitask", "split-digits", 0, 0.9, 0.9),
        *(protocol_run("ewc", "permuted-mnist", seed, 0.9, 0.70 + seed / 100) for seed in range(4)),
        DIVERGED,
        *(protocol_run("naive", "permuted-mnist", seed, 0.9, 0.40 + seed / 100) for seed in range(5)),
    ]


MARKDOWN = """\
**Permuted MNIST**

| method        | memoryless   |   accuracy % |   95 % interval \
|      paper |   forgetting |      paper |    verdict |           seeds |
|:--------------|:-------------|-------------:|----------------:\
|-----------:|-------------:|-----------:|-----------:|----------------:|
| Naive SGD     | yes          |   42.0 ±1.58 |       40.0–44.0 \
| 44.4 ±2.46 |   0.48 ±0.02 | 0.53 ±0.03 | reproduced |               5 |
| EWC           | yes          |   71.5 ±1.29 |       69.4–73.6 \
| 70.7 ±1.74 |   0.19 ±0.01 | 0.23 ±0.01 | reproduced | 4/5, 1 diverged |
| EWC [tasks=2] | yes          |         70.0 |                 \
|            |         0.30 |            |            |             1/5 |

Pairs of methods, over 4 common seeds: 1 of 1 differ beyond noise.

**Split digits**

| method     | memoryless   |   accuracy % |   forgetting |   seeds |
|:-----------|:-------------|-------------:|-------------:|--------:|
| Multi-task | n/a          |         90.0 |         0.00 |     1/5 |

Accuracy: mean test accuracy over all tasks after the last one, in percent. \
Forgetting: mean over the earlier tasks of the best accuracy they had less the final one. \
±: sample standard deviation (n - 1) over the seeds counted in the last column, none for a single seed. \
95 % interval: of the mean accuracy, by Student's t over these seeds. \
n/5: only n of 5 seeds are complete. \
Diverged runs are counted, never averaged. \
Paper: Mirzadeh et al., NeurIPS 2020, Table 2, ± over 5 runs. \
Verdict: reproduced where accuracy is within 3 points of the paper's, or within 2 combined standard deviations, \
and forgetting within 0.05. \
Beyond noise: paired t-test of the accuracies, p < 0.05 after Holm's correction over the stream's pairs; \
it takes the differences between seeds to be normally distributed. \
[setting=value]: run with that change, so without the paper's figures."""

LATEX = (
    r"""\begin{table}
\centering
\caption{Split digits. Accuracy: mean test accuracy over all tasks after the last one, in percent. """
    + (
        r"Forgetting: mean over the earlier tasks of the best accuracy they had less the final one. "
        r"$\pm$: sample standard deviation (n - 1) over the seeds counted in the last column, "
        r"none for a single seed. 95 \% interval: of the mean accuracy, by Student's t over these seeds.}"
    )
    + r"""
\begin{tabular}{llrrrr}
\toprule
 method   & memoryless   &   accuracy \% &   95 \% interval &   forgetting &   seeds \\
\midrule
 A-GEM    & no           &   75.0 $\pm$1.41 &       62.3--87.7 &   0.15 $\pm$0.01 &       2 \\
\bottomrule
\end{tabular}
\end{table}"""
)


def test_markdown(runs):
    assert render(runs, "markdown") == MARKDOWN


def test_latex():
    runs = [protocol_run("agem", "split-digits", seed, 0.9, last) for seed, last in enumerate((0.74, 0.76))]
    assert render(runs, "latex", expected_seeds=2) == LATEX


def test_the_caption_explains_only_what_is_there():
    one = [protocol_run("agem", "split-digits", 0, 0.9, 0.7)]
    assert render(one, expected_seeds=1).splitlines()[-1].endswith("none for a single seed.")


def test_json_has_the_documented_keys_and_nulls(runs):
    document = json.loads(render(runs, "json"))
    assert list(document) == ["cells", "streams"]
    naive, ewc, quick, multitask = document["cells"]
    assert list(naive) == COLUMNS
    half = 2.7764451 * 0.5**0.5  # t of 97.5 % with 4 degrees of freedom, times the deviation over the root of 5
    assert naive == {
        "method": "naive",
        "stream": "permuted-mnist",
        "variant": {},
        "seeds": 5,
        "diverged": 0,
        "accuracy_mean": pytest.approx(42.0),
        "accuracy_std": pytest.approx(2.5**0.5),
        "accuracy_low": pytest.approx(42 - half),
        "accuracy_high": pytest.approx(42 + half),
        "forgetting_mean": pytest.approx(0.48),
        "forgetting_std": pytest.approx(0.025**0.5 / 10),
        "forgetting_low": pytest.approx(0.48 - half / 100),
        "forgetting_high": pytest.approx(0.48 + half / 100),
        "paper_accuracy": 44.4,
        "paper_accuracy_std": 2.46,
        "paper_forgetting": 0.53,
        "paper_forgetting_std": 0.03,
        "difference_accuracy": pytest.approx(-2.4),
        "difference_forgetting": pytest.approx(-0.05),
        "verdict": "reproduced",
    }
    assert (ewc["seeds"], ewc["diverged"], ewc["accuracy_mean"]) == (4, 1, pytest.approx(71.5))
    assert quick["variant"] == {"tasks": 2}
    assert multitask["forgetting_mean"] == 0.0
    absent = [
        name
        for name in COLUMNS
        if name.endswith(("_std", "_low", "_high", "verdict")) or "paper" in name or name.startswith("difference")
    ]
    assert {row[name] for row in (quick, multitask) for name in absent} == {None}


def test_json_compares_the_methods_of_each_stream(runs):
    permuted, digits = json.loads(render(runs, "json"))["streams"]
    assert digits == {"stream": "split-digits", "spearman": None, "spearman_methods": 0, "pairs": []}
    assert (permuted["stream"], permuted["spearman"], permuted["spearman_methods"]) == ("permuted-mnist", None, 2)
    (pair,) = permuted["pairs"]  # the run with other settings and the one that diverged are left out
    assert (pair["first"], pair["second"], pair["seeds"], pair["differ"]) == ("naive", "ewc", 4, True)
    assert pair["difference"] == pytest.approx(-30) and pair["p"] == pair["p_holm"] == pytest.approx(0, abs=1e-9)


def test_the_order_of_methods_is_compared_with_the_paper_s():
    """Ours: naive, agem, ewc, er-reservoir; the paper's: naive, agem, ewc, er-reservoir on Permuted MNIST."""

    def order(**accuracy: float):
        runs = [protocol_run(name.replace("_", "-"), "permuted-mnist", 0, 0.95, a) for name, a in accuracy.items()]
        return streams(runs)[0], render(runs)

    same, text = order(naive=0.1, agem=0.2, ewc=0.3, er_reservoir=0.4)
    assert (same.spearman, same.spearman_methods) == (pytest.approx(1), 4)
    assert "\nOrder by accuracy beside the paper's: Spearman's correlation 1.00 over 4 methods. " in text
    assert order(naive=0.4, agem=0.3, ewc=0.2)[0].spearman == pytest.approx(-1)
    swapped, text = order(naive=0.1, agem=0.3, ewc=0.2)  # 1 - 6 * 2 / (3 * 8)
    assert swapped.spearman == pytest.approx(0.5)
    too_few, text = order(naive=0.1, agem=0.3)
    assert (too_few.spearman, too_few.spearman_methods) == (None, 2) and "Spearman" not in text


def test_the_note_names_the_pairs_that_do_not_differ():
    def runs(method: str, *accuracies: float):
        return [protocol_run(method, "split-digits", seed, 0.9, a) for seed, a in enumerate(accuracies)]

    pair_alike = [*runs("naive", 0.50, 0.52, 0.51), *runs("ewc", 0.51, 0.51, 0.52)]
    far = runs("agem", 0.80, 0.82, 0.815)
    note = render([*pair_alike, *far]).split("\n\n")[-2]
    assert note == (
        "Pairs of methods, over 3 common seeds: 2 of 3 differ beyond noise; "
        "no difference beyond noise: Naive SGD and EWC."
    )
    assert "over 3 common seeds: 0 of 1 differ beyond noise.\n" in render(pair_alike)
    single = runs("multitask", 0.9)
    assert "0 of 1 differ beyond noise. Without two common seeds, not compared: 2 more.\n" in (
        render([*pair_alike, *single])
    )
    assert "\nPairs of methods: none has two common seeds to compare.\n" in render([*far, *single])
    assert "Pairs" not in render(far)
    for form in ("latex", "html"):
        assert note in render([*pair_alike, *far], form)


def test_a_published_figure_is_judged_only_beside_complete_runs():
    reproduced = protocol_run("stable-sgd", "permuted-mnist", 0, 0.9, 0.80)
    deviates = protocol_run("stable-sgd", "rotated-mnist", 0, 0.9, 0.50)
    variant = record("stable-sgd", "permuted-mnist", 0, [[0.8, 0.1], [0.5, 0.9]], tasks=2)
    cells = frame([reproduced, deviates, variant, DIVERGED])
    assert cells["method"].tolist() == ["ewc", "stable-sgd", "stable-sgd", "stable-sgd"]
    verdicts = [None if verdict is None or verdict != verdict else verdict for verdict in cells["verdict"]]
    assert verdicts == [None, "reproduced", None, "deviates"]
    for form in ("markdown", "latex", "html"):
        assert "deviates" in render([deviates], form) and "verdict" in render([deviates], form)
        assert "verdict" not in render([variant], form).lower()


def test_csv_reads_back(runs):
    lines = list(csv.DictReader(io.StringIO(render(runs, "csv"))))
    assert [(line["method"], line["variant"]) for line in lines] == [
        ("naive", ""),
        ("ewc", ""),
        ("ewc", "tasks=2"),
        ("multitask", ""),
    ]
    assert float(lines[0]["accuracy_std"]) == pytest.approx(2.5**0.5)
    assert lines[2]["accuracy_std"] == lines[2]["paper_accuracy"] == ""


def test_html_shows_every_cell(runs):
    page = render(runs, "html")
    assert page.startswith("<!doctype html>") and '<meta charset="utf-8">' in page
    assert page.count("<tr>") == 2 + 4
    assert "<p>Pairs of methods, over 4 common seeds: 1 of 1 differ beyond noise.</p>" in page
    for text in (
        "40.0–44.0",
        "reproduced",
        "<h2>Permuted MNIST</h2>",
        "42.0 ±1.58",
        "44.4 ±2.46",
        "4/5, 1 diverged",
        "EWC [tasks=2]",
    ):
        assert text in page


def hostile():
    """Runs of a method from elsewhere; only a setting's text is free, and it differs between the runs."""
    changes = [{"note": note} for note in ("<script>alert(1)</script>", "a|b & 100%_{x}")]
    cell, matrix = ("their_own", "their_stream", 0), QUICK.accuracy_matrix
    return [compose(*cell, QUICK.settings | change, matrix, 1.0, None, PROVENANCE) for change in changes]


def test_what_records_say_is_escaped():
    page, latex, text = (render(hostile(), form) for form in ("html", "latex", "markdown"))
    assert "<script" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<h2>their_stream</h2>" in page
    assert r"\caption{their\_stream." in latex and r"100\%\_\{x\}" in latex and r"b \& 1" in latex
    assert "<script" not in text and r"a\|b &amp; 100%" in text
    image = compose(
        "their_own",
        "their_stream",
        1,
        QUICK.settings | {"note": "![x](http://x.org/y.png)"},
        QUICK.accuracy_matrix,
        1.0,
        None,
        PROVENANCE,
    )
    assert "](" not in render([image, *hostile()])


def test_unknown_methods_and_streams_stand_after_the_known_ones(runs):
    cells = frame([*hostile(), *runs])
    assert cells["method"].tolist() == ["naive", "ewc", "ewc", "multitask", "their_own", "their_own"]
    assert cells["stream"].tolist()[-1] == "their_stream"
    assert cells["paper_accuracy"].isna().tolist()[-2:] == [True, True]


def test_of_an_unknown_method_only_settings_that_differ_count():
    one, two = hostile()
    assert frame([one])["variant"].tolist() == [{}]
    assert frame([one, two])["variant"].tolist() == [{"note": run.settings["note"]} for run in (one, two)]


def elsewhere(method: str, stream: str, seed: int, **changes) -> Record:
    """A run of a method or on a stream from elsewhere."""
    settings = dict(settings_for("naive", "permuted-digits", {"tasks": 2})) | changes
    return compose(method, stream, seed, settings, [[0.8, 0.1], [0.5, 0.4 + seed / 10]], 1.0, None, PROVENANCE)


def test_a_method_from_elsewhere_with_other_tasks_is_no_row_beside_the_protocol_s():
    theirs = [elsewhere("their_own", "permuted-digits", seed, epochs=3, rate=0.2) for seed in (0, 1)]
    ours = [protocol_run("naive", "permuted-digits", seed, 0.9, 0.4 + seed / 10) for seed in (0, 1)]
    assert frame([*theirs, *ours])["variant"].tolist() == [{}, {"epochs": 3, "tasks": 2}]
    assert [stream.pairs for stream in streams([*theirs, *ours])] == [[]]


def test_runs_with_other_arguments_of_a_stream_are_no_rows_beside_each_other():
    one, other = (
        [elsewhere(method, "their_stream", seed, **{"stream.scenario": scenario, "rate": rate}) for seed in (0, 1)]
        for method, scenario, rate in (("naive", "task", 0.1), ("ewc", "class", 0.2))
    )
    assert frame(one)["variant"].tolist() == [{}]
    assert frame([*one, *other])["variant"].tolist() == [{"stream.scenario": "task"}, {"stream.scenario": "class"}]
    assert [stream.pairs for stream in streams([*one, *other])] == [[]]


def test_rows_and_streams_stand_in_the_paper_s_order():
    runs = [
        protocol_run(method, stream, 0, 0.9, 0.5)
        for stream in sorted(PAPER_STREAMS, reverse=True)
        for method in sorted(METHOD_ROWS)
    ]
    cells = frame(runs)
    assert list(zip(cells["stream"], cells["method"], strict=True)) == [
        (stream, method) for stream in PAPER_STREAMS for method in METHOD_ROWS
    ]
    assert [PUBLISHED[m, s].accuracy for s, m in zip(cells["stream"], cells["method"], strict=True)] == (
        cells["paper_accuracy"].tolist()
    )


def test_a_setting_that_is_given_its_own_default_changes_nothing():
    same = record("ewc", "split-digits", 0, [[0.5] * 5] * 5, tasks=5, ewc_lambda=10)
    assert frame([same, protocol_run("ewc", "split-digits", 1, 0.5, 0.5)])["seeds"].tolist() == [2]


def test_runs_that_all_diverged_have_no_figures():
    row = render([DIVERGED]).splitlines()[4]
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "EWC",
        "yes",
        "–",
        "70.7 ±1.74",
        "–",
        "0.23 ±0.01",
        "0/5, 1 diverged",
    ]
    (only,) = json.loads(render([DIVERGED], "json"))["cells"]
    assert (only["seeds"], only["diverged"]) == (0, 1)
    assert (only["accuracy_mean"], only["accuracy_std"], only["forgetting_mean"]) == (None, None, None)


def test_a_forgetting_that_rounds_to_nothing_has_no_sign():
    row = render([protocol_run("ewc", "split-digits", 0, 0.5, 0.501)]).splitlines()[4]
    assert " 0.00 |" in row and "-0.00" not in row


def alone(seed: int, accuracy: float, method: str = "their_own") -> Record:
    """A run on a stream of a single task."""
    settings = dict(settings_for("naive", "permuted-digits", {"tasks": 1}))
    return compose(method, "their_stream", seed, settings, [[accuracy]], 1.0, None, PROVENANCE)


def test_a_single_task_has_no_forgetting():
    runs = [alone(seed, 0.4 + seed / 100) for seed in range(3)]
    assert runs[0].metrics.average_forgetting == 0.0  # a record holds what it always held
    cells = frame(runs)
    assert cells["accuracy_mean"].tolist() == [pytest.approx(41)]
    assert cells[["forgetting_mean", "forgetting_std", "forgetting_low", "forgetting_high"]].isna().all(axis=None)
    header, _, row = (line.split("|") for line in render(runs).splitlines()[2:5])
    assert row[[cell.strip() for cell in header].index("forgetting")].strip() == "–"
    assert "– for forgetting: undefined, as a single task has nothing to forget." in render(runs)
    assert json.loads(render(runs, "json"))["cells"][0]["forgetting_mean"] is None
    assert next(csv.DictReader(io.StringIO(render(runs, "csv"))))["forgetting_mean"] == ""
    shown = frame_of(runs)
    assert shown[["average_forgetting", "backward_transfer"]].isna().all(axis=None)
    assert frame(runs, [metrics()["backward_transfer"]])["backward_transfer_seeds"].tolist() == [0]
    assert "nothing to forget" in page(runs)


def test_what_is_not_known_of_forgetting_is_not_judged():
    paper = record("naive", "permuted-mnist", 0, [[0.44]], tasks=1)
    (cell,) = json.loads(render([paper], "json"))["cells"]
    assert cell["verdict"] is None
    assert _beside(PUBLISHED["naive", "permuted-mnist"], pd.Series([44.4]), pd.Series([math.nan]))["verdict"] is None


def test_intervals_end_where_there_is_no_accuracy_and_the_caption_says_so():
    cut = [alone(0, 0.1), alone(1, 0.5)]
    (low, high), *_ = frame(cut)[["accuracy_low", "accuracy_high"]].to_numpy()
    assert (low, high) == (0, 100)  # 30 ± 254
    said = "Intervals are cut at 0 and 100 %"
    assert " 0.0–100.0 " in render(cut) and said in render(cut)
    for whole in ([alone(0, 0.4), alone(1, 0.41)], [alone(0, 0.0), alone(1, 0.0)], [alone(0, 1.0), alone(1, 1.0)]):
        assert said not in render(whole)
    wide = [protocol_run("ewc", "split-digits", seed, 0.9, 0.9 * seed) for seed in (0, 1)]
    assert frame(wide)[["forgetting_low", "forgetting_high"]].to_numpy().tolist() == [[-1, 1]]


def test_the_published_table_is_whole():
    methods = {method for method, _ in PUBLISHED}
    assert methods <= METHOD_ROWS.keys() and len(methods) == 6
    assert set(PUBLISHED) == {(method, stream) for method in methods for stream in PAPER_STREAMS}
    # checksums of the printed columns
    assert sum(figure.accuracy for figure in PUBLISHED.values()) == pytest.approx(1102.6)
    assert sum(figure.forgetting for figure in PUBLISHED.values()) == pytest.approx(4.1)


def test_bad_requests_are_one_line(runs):
    with pytest.raises(InputError, match="unknown format 'markdwn': did you mean 'markdown'"):
        render(runs, "markdwn")
    with pytest.raises(InputError, match="no records to show"):
        render([])


def test_the_table_loads_without_torch():
    script = "import sys, benchmark.tables.table; print(*({'torch', 'avalanche', 'matplotlib'} & set(sys.modules)))"
    loaded = python("-c", script, check=True).stdout
    assert loaded.strip() == ""
