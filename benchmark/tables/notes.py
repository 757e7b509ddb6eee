"""The sentences around a table: what is said below each stream, and the caption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import pandas as pd

from benchmark.records.derived import Metric
from benchmark.tables.columns import meanings
from benchmark.tables.labels import row_label
from benchmark.tables.published import SOURCE
from benchmark.tables.statistics import RANGES, SIGNIFICANCE, Stream
from benchmark.tables.verdict import ACCURACY_POINTS, DEVIATIONS, FORGETTING

NONE = "–"
VERDICT = (
    f"Verdict: reproduced where accuracy is within {ACCURACY_POINTS:g} points of the paper's, or within "
    f"{DEVIATIONS:g} combined standard deviations, and forgetting within {FORGETTING:g}."
)


def order_note(stream: Stream) -> str:
    """How our order of the methods agrees with the paper's; nothing where there is too little to order."""
    if stream.spearman is None:
        return ""
    return (
        f"Order by accuracy beside the paper's: Spearman's correlation {stream.spearman:z.2f} "
        f"over {stream.spearman_methods} methods."
    )


def pairs_note(stream: Stream, titles: Mapping[str, str] = MappingProxyType({})) -> str:
    """Which of the stream's methods do not differ beyond noise; nothing where there is nothing to compare.

    titles: of external methods, by id.
    """
    tested = [pair for pair in stream.pairs if pair.p is not None]
    if not tested:
        return "Pairs of methods: none has two common seeds to compare." if stream.pairs else ""
    fewest, most = min(pair.seeds for pair in tested), max(pair.seeds for pair in tested)
    seeds = str(most) if fewest == most else f"{fewest} to {most}"
    alike = [pair for pair in tested if not pair.differ]
    found = f"{len(tested) - len(alike)} of {len(tested)} differ beyond noise"
    if 0 < len(alike) < len(tested):
        names = (
            " and ".join(row_label(method, {}, titles.get(method)) for method in (pair.first, pair.second))
            for pair in alike
        )
        found += f"; no difference beyond noise: {'; '.join(names)}"
    untested = len(stream.pairs) - len(tested)
    rest = f" Without two common seeds, not compared: {untested} more." if untested else ""
    return f"Pairs of methods, over {seeds} common seeds: {found}.{rest}"


def equal_note(stream: Stream, titles: Mapping[str, str] = MappingProxyType({})) -> str:
    """Which rows of the stream are equal in every accuracy; nothing where none are.

    titles: of external methods, by id.
    """
    named = (
        " and ".join(row_label(row["method"], row["variant"], titles.get(row["method"])) for row in pair)
        for pair in stream.equal
    )
    both = "; ".join(named)
    return f"Equal in every accuracy at all common seeds: {both}." if both else ""


def _cut(cells: pd.DataFrame) -> bool:
    """Whether an interval of accuracy reached beyond what an accuracy can be."""
    low, high = RANGES["accuracy"]
    return bool(
        ((cells["accuracy_std"] > 0) & ((cells["accuracy_low"] <= low) | (cells["accuracy_high"] >= high))).any()
    )


def caption(cells: pd.DataFrame, streams: Sequence[Stream], expected: int, metrics: Sequence[Metric] = ()) -> str:
    """What the columns mean, of those that are there."""
    tested = any(pair.p is not None for stream in streams for pair in stream.pairs)
    undefined = (cells["seeds"] > 0) & cells["forgetting_mean"].isna()
    sentences = [
        (
            True,
            "Accuracy: mean test accuracy over all tasks after the last one, in percent. "
            "Forgetting: mean over the earlier tasks of the best accuracy they had less the final one. "
            "±: sample standard deviation (n - 1) over the seeds counted in the last column, "
            "none for a single seed.",
        ),
        (cells["accuracy_low"].notna().any(), "95 % interval: of the mean accuracy, by Student's t over these seeds."),
        (_cut(cells), "Intervals are cut at 0 and 100 %, beyond which there is no accuracy."),
        (undefined.any(), f"{NONE} for forgetting: undefined, as a single task has nothing to forget."),
        ((cells["seeds"] < expected).any(), f"n/{expected}: only n of {expected} seeds are complete."),
        (cells["diverged"].any(), "Diverged runs are counted, never averaged."),
        (cells["paper_accuracy"].notna().any(), f"Paper: {SOURCE}, ± over 5 runs."),
        (cells["verdict"].notna().any(), VERDICT),
        (
            tested,
            f"Beyond noise: paired t-test of the accuracies, p < {SIGNIFICANCE} after Holm's correction over "
            "the stream's pairs; it takes the differences between seeds to be normally distributed.",
        ),
        (any(cells["variant"]), "[setting=value]: run with that change, so without the paper's figures."),
        *((True, sentence) for sentence in meanings(metrics)),
    ]
    return " ".join(sentence for holds, sentence in sentences if holds)
