"""The table of literal records, its text compared letter for letter."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from literal import PROVENANCE, protocol_run, record

from benchmark.catalogue import PAPER_STREAMS
from benchmark.paper import PUBLISHED
from benchmark.records import compose
from benchmark.table import COLUMNS, frame, render
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError

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

| method        | memoryless   |   accuracy % |      paper |   forgetting |      paper |           seeds |
|:--------------|:-------------|-------------:|-----------:|-------------:|-----------:|----------------:|
| Naive SGD     | yes          |   42.0 ±1.58 | 44.4 ±2.46 |   0.48 ±0.02 | 0.53 ±0.03 |               5 |
| EWC           | yes          |   71.5 ±1.29 | 70.7 ±1.74 |   0.19 ±0.01 | 0.23 ±0.01 | 4/5, 1 diverged |
| EWC [tasks=2] | yes          |         70.0 |            |         0.30 |            |             1/5 |

**Split digits**

| method     | memoryless   |   accuracy % |   forgetting |   seeds |
|:-----------|:-------------|-------------:|-------------:|--------:|
| Multi-task | n/a          |         90.0 |         0.00 |     1/5 |

Accuracy: mean test accuracy over all tasks after the last one, in percent. \
Forgetting: mean over the earlier tasks of the best accuracy they had less the final one. \
±: sample standard deviation (n - 1) over the seeds counted in the last column, none for a single seed. \
n/5: only n of 5 seeds are complete. \
Diverged runs are counted, never averaged. \
Paper: Mirzadeh et al., NeurIPS 2020, Table 2, ± over 5 runs. \
[setting=value]: run with that change, so without the paper's figures."""

LATEX = r"""\begin{table}
\centering
\caption{Split digits. Accuracy: mean test accuracy over all tasks after the last one, in percent. """ + (
    r"Forgetting: mean over the earlier tasks of the best accuracy they had less the final one. "
    r"$\pm$: sample standard deviation (n - 1) over the seeds counted in the last column, "
    r"none for a single seed.}"
) + r"""
\begin{tabular}{llrrr}
\toprule
 method   & memoryless   &   accuracy \% &   forgetting &   seeds \\
\midrule
 A-GEM    & no           &   75.0 $\pm$7.07 &   0.15 $\pm$0.07 &       2 \\
\bottomrule
\end{tabular}
\end{table}"""


def test_markdown(runs):
    assert render(runs, "markdown") == MARKDOWN


def test_latex():
    runs = [protocol_run("agem", "split-digits", seed, 0.9, last) for seed, last in enumerate((0.7, 0.8))]
    assert render(runs, "latex", expected_seeds=2) == LATEX


def test_the_caption_explains_only_what_is_there():
    runs = [protocol_run("agem", "split-digits", seed, 0.9, 0.7) for seed in range(5)]
    caption = render(runs).splitlines()[-1]
    assert caption.endswith("none for a single seed.")


def test_json_has_the_documented_keys_and_nulls(runs):
    naive, ewc, quick, multitask = json.loads(render(runs, "json"))
    assert list(naive) == COLUMNS
    assert naive == {
        "method": "naive", "stream": "permuted-mnist", "variant": {}, "seeds": 5, "diverged": 0,
        "accuracy_mean": pytest.approx(42.0), "accuracy_std": pytest.approx(2.5**0.5),
        "forgetting_mean": pytest.approx(0.48), "forgetting_std": pytest.approx(0.025**0.5 / 10),
        "paper_accuracy": 44.4, "paper_forgetting": 0.53,
    }
    assert (ewc["seeds"], ewc["diverged"], ewc["accuracy_mean"]) == (4, 1, pytest.approx(71.5))
    assert quick["variant"] == {"tasks": 2}
    assert multitask["forgetting_mean"] == 0.0
    absent = ("accuracy_std", "forgetting_std", "paper_accuracy", "paper_forgetting")
    assert {row[name] for row in (quick, multitask) for name in absent} == {None}


def test_csv_reads_back(runs):
    lines = list(csv.DictReader(io.StringIO(render(runs, "csv"))))
    assert [(line["method"], line["variant"]) for line in lines] == [
        ("naive", ""), ("ewc", ""), ("ewc", "tasks=2"), ("multitask", ""),
    ]
    assert float(lines[0]["accuracy_std"]) == pytest.approx(2.5**0.5)
    assert lines[2]["accuracy_std"] == lines[2]["paper_accuracy"] == ""


def test_html_shows_every_cell(runs):
    page = render(runs, "html")
    assert page.startswith("<!doctype html>") and '<meta charset="utf-8">' in page
    assert page.count("<tr>") == 2 + 4
    for text in ("<h2>Permuted MNIST</h2>", "42.0 ±1.58", "44.4 ±2.46", "4/5, 1 diverged", "EWC [tasks=2]"):
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


def test_unknown_methods_and_streams_stand_after_the_known_ones(runs):
    cells = frame([*hostile(), *runs])
    assert cells["method"].tolist() == ["naive", "ewc", "ewc", "multitask", "their_own", "their_own"]
    assert cells["stream"].tolist()[-1] == "their_stream"
    assert cells["paper_accuracy"].isna().tolist()[-2:] == [True, True]


def test_of_an_unknown_method_only_settings_that_differ_count():
    one, two = hostile()
    assert frame([one])["variant"].tolist() == [{}]
    assert frame([one, two])["variant"].tolist() == [{"note": run.settings["note"]} for run in (one, two)]


def test_rows_and_streams_stand_in_the_paper_s_order():
    runs = [
        protocol_run(method, stream, 0, 0.9, 0.5)
        for stream in sorted(PAPER_STREAMS, reverse=True) for method in sorted(METHOD_ROWS)
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
        "EWC", "yes", "–", "70.7 ±1.74", "–", "0.23 ±0.01", "0/5, 1 diverged",
    ]
    only, = json.loads(render([DIVERGED], "json"))
    assert (only["seeds"], only["diverged"]) == (0, 1)
    assert (only["accuracy_mean"], only["accuracy_std"], only["forgetting_mean"]) == (None, None, None)


def test_a_forgetting_that_rounds_to_nothing_has_no_sign():
    row = render([protocol_run("ewc", "split-digits", 0, 0.5, 0.501)]).splitlines()[4]
    assert " 0.00 |" in row and "-0.00" not in row


def test_the_published_table_is_whole():
    assert set(PUBLISHED) == {(method, stream) for method in METHOD_ROWS for stream in PAPER_STREAMS}
    # checksums of the printed columns
    assert sum(figure.accuracy for figure in PUBLISHED.values()) == pytest.approx(1102.6)
    assert sum(figure.forgetting for figure in PUBLISHED.values()) == pytest.approx(4.1)


def test_bad_requests_are_one_line(runs):
    with pytest.raises(InputError, match="unknown format 'markdwn': did you mean 'markdown'"):
        render(runs, "markdwn")
    with pytest.raises(InputError, match="no records to show"):
        render([])


def test_the_table_loads_without_torch():
    script = "import sys, benchmark.table; print(*({'torch', 'avalanche', 'matplotlib'} & set(sys.modules)))"
    root = Path(__file__).parents[1]
    loaded = subprocess.check_output([sys.executable, "-c", script], cwd=root, text=True)
    assert loaded.strip() == ""
