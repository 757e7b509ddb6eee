"""The goals for speed, as ratios within one run, and whether this run meets them."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from tests.speed.whole_table import whole_table


def goals(speed: dict) -> list[tuple[str, str, float, float]]:
    """(goal, 'at least' or 'at most', limit, measured)."""
    mnist, cifar, scaling = speed["mnist_step"], speed["cifar_step"], speed["scaling"]
    rows = [
        (
            f"{method}: Avalanche's step over ours ({times['avalanche'] / times['floor']:.1f} over its bare products)",
            "at least",
            20,
            times["avalanche / ours"],
        )
        for method, times in mnist.items()
        if method != "multitask"
    ]
    rows.append(("EWC's Fisher: Avalanche's over ours", "at least", 100, speed["fisher"]["avalanche / ours"]))
    rows += [
        (f"{method}: ours over its products", "at most", limit, 1 / mnist[method]["floor / ours"])
        for method, limit in (("naive", 1.6), ("agem", 1.5), ("er-reservoir", 1.5))
    ]
    rows.append(("EWC's step over naive's", "at most", 1.8, speed["ewc_over_naive"]))
    for method, times in cifar.items():
        rows += [
            (f"{method}, CIFAR: ours over the plain loop", "at most", 1.15, 1 / times["plain / ours"]),
            (f"{method}, CIFAR: part beyond network passes", "at most", 0.1, 1 - times["passes / ours"]),
        ]
    tasks, seeds = (
        scaling[many]["seconds"] / scaling[few]["seconds"]
        for few, many in (("5 tasks", "40 tasks"), ("1 seed", "20 seeds"))
    )
    rows.append(("40 tasks over 5 tasks, whole run", "at most", 8, tasks))
    rows.append(("20 seeds over 1 seed, whole run", "at most", 20, seeds))
    hours = whole_table(speed)
    rows.append(("the table's 60 runs on MNIST, hours on these cores", "at most", 1, hours["MNIST"]))
    rows.append(("the whole table, hours on these cores", "at most", 3, sum(hours.values())))
    rows.append(("cores busy while a cell is trained", "at least", 0.9, speed["cores_busy"]))
    share = scaling["40 tasks"]["evaluation_share"]
    rows.append(("evaluation's part of the run, 40 tasks", "at most", 0.5, share))
    return rows


def goals_table(speed: dict, others: Sequence[dict]) -> str:
    """As Markdown; a goal that is missed says so. A column more for each of the other machines."""
    rows = [[goal, f"{sense} {limit:g}", *_shown(sense, limit, value)] for goal, sense, limit, value in goals(speed)]
    for other in others:
        for row, (_, sense, limit, value) in zip(rows, goals(other), strict=True):
            row += _shown(sense, limit, value)
    headers = ["goal", "wanted", "measured", ""]
    headers += [part for other in others for part in (other["conditions"]["processor"], "")]
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True)


def _shown(sense: str, limit: float, value: float) -> list[str]:
    met = value >= limit if sense == "at least" else value <= limit
    return [f"{value:z.2f}", "met" if met else "**missed**"]
