"""How sure the table's numbers are: intervals, rank correlation, and which methods differ beyond noise."""

import warnings
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05
FEWEST_RANKED = 3
RANGES = {"accuracy": (0.0, 100.0), "forgetting": (-1.0, 1.0)}
"""What a metric can be as the table has it: accuracy in percent, forgetting as a fraction."""

Runs = Mapping[int, float]
"""What a method came to, by seed."""


class Pair(NamedTuple):
    """Two methods of a stream compared by the accuracy of the runs of the same seeds."""

    first: str
    second: str
    seeds: int  # those that both have
    difference: float | None  # mean of first less second; None without common seeds
    p: float | None  # of the paired t-test; None for fewer than two common seeds
    p_holm: float | None  # corrected over all tested pairs of the stream
    differ: bool | None  # p_holm < SIGNIFICANCE


class Stream(NamedTuple):
    """What can be said of a stream's methods together, at the protocol's settings."""

    stream: str
    spearman: float | None  # of our order by accuracy and the paper's; see `rank_correlation`
    spearman_methods: int  # those with both a complete run and a published figure
    pairs: list[Pair]
    equal: Sequence[
        tuple[dict[str, object], dict[str, object]]
    ] = ()  # rows equal in every accuracy of all common seeds


def interval(values: Sequence[float], reach: tuple[float, float] | None = None) -> tuple[float, float]:
    """The 95 % confidence interval of the mean, low and high, by Student's t with n - 1 degrees of freedom.

    It takes the values, one a seed, to be drawn independently from a normal distribution. NaN for fewer than two.
    reach: the least and the greatest value that there can be, where the interval is cut.
    """
    if len(values) < 2:
        return np.nan, np.nan
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values))
    mean = float(np.mean(values))
    least, most = reach or (-np.inf, np.inf)
    return max(mean - half, least), min(mean + half, most)


def spread(name: str, values: pd.Series, reach: tuple[float, float] | None = None) -> dict[str, float]:
    """A row's columns of some values, one a run: mean, sample standard deviation, and the interval of the mean."""
    low, high = interval(values, reach)
    return {f"{name}_mean": values.mean(), f"{name}_std": values.std(ddof=1), f"{name}_low": low, f"{name}_high": high}


def rank_correlation(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Spearman's correlation of two lists of figures of the same methods: 1 the same order, -1 the reverse.

    None for fewer than three methods, or where all figures of a list are the same.
    """
    if len(ours) < FEWEST_RANKED or min(len(set(ours)), len(set(theirs))) == 1:
        return None
    return float(stats.spearmanr(ours, theirs).statistic)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's corrected p-values, in the order given: the k-th smallest of m times m - k + 1, never falling, at most 1.

    Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 1979: the chance
    that any of the differences found is only noise is at most the level that the corrected values are held against.
    """
    order = np.argsort(p, kind="stable")
    steps = np.asarray(p)[order] * np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected.tolist()


def pairs(methods: Mapping[str, Runs]) -> list[Pair]:
    """Every pair of methods compared by a paired t-test over its common seeds, with Holm's correction over all pairs.

    The test takes a pair's differences, one a seed, to be independent and normally distributed; with five seeds
    this cannot be checked.
    """
    compared = [_compare(first, second, methods) for first, second in combinations(methods, 2)]
    corrected = iter(holm([pair.p for pair in compared if pair.p is not None]))
    return [pair if pair.p is None else _judged(pair, next(corrected)) for pair in compared]


def _judged(pair: Pair, p_holm: float) -> Pair:
    return pair._replace(p_holm=p_holm, differ=p_holm < SIGNIFICANCE)


def _compare(first: str, second: str, methods: Mapping[str, Runs]) -> Pair:
    seeds = sorted(methods[first].keys() & methods[second].keys())
    ours, theirs = ([methods[method][seed] for seed in seeds] for method in (first, second))
    difference = float(np.mean(ours) - np.mean(theirs)) if seeds else None
    return Pair(first, second, len(seeds), difference, _p(ours, theirs), None, None)


def _p(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    if len(ours) < 2:
        return None
    if np.array_equal(ours, theirs):  # 0/0: no difference, and no noise in it
        return 1.0
    with warnings.catch_warnings():  # differences that are all the same are beyond any noise: p is 0
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(stats.ttest_rel(ours, theirs).pvalue)
