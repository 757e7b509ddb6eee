"""Intervals, correlations and comparisons against values worked out by hand or printed in tables."""

import math
import warnings

import pytest

from benchmark.tables.statistics import holm, interval, pairs, rank_correlation


def runs(*accuracies: float) -> dict[int, float]:
    return dict(enumerate(accuracies))


def test_the_interval_is_the_mean_and_t_deviations_of_it():
    # mean 42, deviation sqrt(2.5), so sqrt(0.5) of the mean; t(0.975, 4) = 2.776445
    assert interval([40, 41, 42, 43, 44]) == pytest.approx((42 - 2.776445 * 0.5**0.5, 42 + 2.776445 * 0.5**0.5))
    assert interval([1.0, 3.0]) == pytest.approx((2 - 12.706205, 2 + 12.706205))  # t(0.975, 1)
    assert interval([0.0, 0.0, 0.0]) == (0.0, 0.0)


@pytest.mark.parametrize("values", [[], [7.0]])
def test_a_single_run_has_no_interval(values):
    assert all(map(math.isnan, interval(values)))


def test_the_rank_correlation_is_spearman_s():
    assert rank_correlation([1, 2, 3, 4], [10, 20, 25, 90]) == pytest.approx(1)
    assert rank_correlation([4, 3, 2, 1], [10, 20, 25, 90]) == pytest.approx(-1)
    # ranks 1 2 3 4 5 6 against 1 3 2 4 6 5: 1 - 6 * 4 / (6 * 35)
    assert rank_correlation([1, 2, 3, 4, 5, 6], [10, 30, 20, 40, 60, 50]) == pytest.approx(1 - 24 / 210)


def test_too_little_to_rank_has_no_correlation():
    assert rank_correlation([1, 2], [1, 2]) is None
    assert rank_correlation([], []) is None
    assert rank_correlation([5, 5, 5], [1, 2, 3]) is None
    assert rank_correlation([1, 2, 3], [5, 5, 5]) is None


def test_pairs_are_compared_over_the_seeds_that_both_have():
    first, second = {0: 10.0, 1: 12.0, 2: 14.0, 7: 99.0}, {0: 9.0, 1: 10.0, 2: 11.0, 8: 0.0}
    (pair,) = pairs({"a": first, "b": second})
    # differences 1, 2, 3: t = 2 / (1 / sqrt(3)) = sqrt(12) with 2 degrees of freedom, where p = 1 - t / sqrt(t² + 2)
    assert (pair.first, pair.second, pair.seeds, pair.difference) == ("a", "b", 3, pytest.approx(2))
    assert pair.p == pair.p_holm == pytest.approx(1 - (12 / 14) ** 0.5)
    assert pair.differ is False


def test_the_pairing_removes_what_the_seeds_share():
    """Seeds lie 20 points apart, the methods one, with little noise: unpaired nothing would be found."""
    (pair,) = pairs({"a": runs(10, 30, 50, 70, 90), "b": runs(11, 31.1, 50.9, 71.05, 90.95)})
    assert pair.differ is True and pair.difference == pytest.approx(-1)


@pytest.mark.parametrize(
    ("p", "corrected"),
    [
        ([], []),
        ([0.04], [0.04]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),  # 3 * 0.01, then 2 * 0.03, then not less than that
        ([0.005, 0.011, 0.02, 0.04, 0.13], [0.025, 0.044, 0.06, 0.08, 0.13]),
        ([0.9, 0.0, 0.4], [0.9, 0.0, 0.8]),
        ([0.6, 0.7], [1.0, 1.0]),
    ],
)
def test_holm_s_correction(p, corrected):
    assert holm(p) == pytest.approx(corrected)


def test_a_difference_can_be_lost_to_the_correction():
    a, b = runs(1, 2, 3), runs(2, 3.2, 3.8)
    (alone,) = pairs({"a": a, "b": b})
    among = pairs({"a": a, "b": b, "c": runs(2, 0, 7), "d": runs(0, 5, 1)})[0]
    assert alone.p == among.p < 0.05 and (alone.differ, among.differ) == (True, False)


def test_pairs_without_two_common_seeds_are_not_tested_and_count_for_no_correction():
    found = pairs({"a": runs(1, 2, 3), "b": runs(2, 3.1, 3.9), "c": {0: 5.0}, "d": {9: 1.0}})
    tested, one_seed, none = found[0], found[1], found[2]
    assert tested.p_holm == tested.p
    assert one_seed == ("a", "c", 1, pytest.approx(-4), None, None, None)
    assert none == ("a", "d", 0, None, None, None, None)


def test_differences_without_noise_need_no_test_and_warn_nobody():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same, shifted = pairs({"a": runs(1, 2, 3), "b": runs(1, 2, 3)}), pairs({"a": runs(1, 2), "b": runs(3, 4)})
    assert (same[0].p, same[0].differ) == (1.0, False)
    assert (shifted[0].p, shifted[0].differ) == (0.0, True)


def test_one_method_makes_no_pair():
    assert pairs({"a": runs(1, 2)}) == pairs({}) == []
