"""The tables of results/speed.json as Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from methods.catalogue import METHOD_ROWS
from tests.speed.goals import goals_table
from tests.speed.whole_table import SEEDS, STEPS, TASKS, whole_table

STREAMS = (("mnist_step", "Permuted MNIST"), ("cifar_step", "Split CIFAR-100"))
STEPS_A_RUN = TASKS * STEPS["MNIST"]


def markdown(rows: list[list], headers: list[str]) -> str:
    """A table with text left and numbers right."""
    sides = ["left"] + ["right"] * (len(headers) - 1)
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True, colalign=sides)


def micro(seconds: float) -> str:
    """Microseconds, as text."""
    return f"{seconds * 1e6:,.0f}"


def speed_table(speed: dict) -> str:
    """The steps of all contenders side by side, and a line of conditions."""
    rows = []
    for key, title in STREAMS:
        for method, times in speed[key].items():
            rows.append(
                [
                    f"{title}: {METHOD_ROWS[method].title}",
                    *(micro(times[side]) for side in ("ours", "avalanche", "plain", "floor")),
                    f"{times['avalanche / ours']:.1f}x",
                    f"{times['plain / ours']:.2f}x",
                    f"{1 / times['floor / ours']:.2f}x",
                ]
            )
    headers = [
        "step of one seed, µs",
        "ours",
        "Avalanche",
        "plain loop",
        "floor",
        "Avalanche / ours",
        "plain / ours",
        "ours / floor",
    ]
    return f"{markdown(rows, headers)}\n\n{conditions(speed['conditions'])}"


def conditions(c: dict) -> str:
    """One line: how the numbers were taken."""
    versions = ", ".join(f"{name} {c['versions'][name]}" for name in ("python", "torch", "avalanche-lib"))
    spread = (
        "one turn, so nothing tells how far it can be trusted."
        if c["spread"] is None
        else (
            f"medians of {c['turns']} turns, ratios within a turn; the same work took up to {c['spread']:.2f}x as "
            "long in one turn as in another."
        )
    )
    return (
        f"`{c['command']}`, {c['date']}, {c['processor']}, {c['cores']} cores, {c['threads']} torch thread(s) "
        f"for every contender, {versions}; {spread}"
    )


def avalanche_table(speed: dict) -> str:
    """Avalanche's Naive in other conditions, and what whole runs come to."""
    others = speed["mnist_avalanche"] | speed["cifar_plain_nchw"]
    table = markdown(
        [[side, micro(value["seconds"]), f"{value['/ ours']:.1f}x"] for side, value in others.items()],
        ["naive, other conditions", "µs a step", "over ours"],
    )
    fisher, steps = speed["fisher"], speed["mnist_step"]
    hours = {}
    for side in ("ours", "avalanche"):
        six = STEPS_A_RUN * sum(times[side] for times in steps.values())
        hours[side] = SEEDS * (six + TASKS * fisher[side]) / 3600
    return (
        f"{table}\n\nEWC's Fisher adds {fisher['ours'] * 1e3:,.1f} ms to a task of one seed, Avalanche's "
        f"{fisher['avalanche']:,.1f} s (2,000 of 60,000 examples timed, times 30): "
        f"{fisher['avalanche / ours']:,.0f}x.\n\n"
        "The steps of 30 runs on Permuted MNIST, computed from those above (batch 10, 120,000 a run, no "
        f"evaluation), take {hours['ours']:.2f} core hours here, {hours['avalanche']:.1f} in Avalanche's loops.\n\n"
        f"{whole(speed)}"
    )


def whole(speed: dict) -> str:
    """The time of all 90 runs, in a sentence."""
    hours = whole_table(speed)
    parts = ", ".join(f"{name} {value:.2f} h" for name, value in hours.items())
    own = micro(speed["cifar_rest"]["er-reservoir"])
    return (
        f"The whole table on {speed['conditions']['cores']} busy cores, computed from the steps and evaluations above "
        f"(ER's step on Split CIFAR-100 takes {own} µs with the table's memory batch): {parts}, together "
        f"{sum(hours.values()):.2f} h. While a cell was trained, start and end of its processes included, the cores "
        f"were busy {100 * speed['cores_busy']:.0f} % of the time."
    )


def cost_table(speed: dict) -> str:
    """What 10,000 cells of five runs, a sixth of them of each method, take on many such cores; for docs/scaling.md."""
    cores, runs = speed["conditions"]["cores"], {"MNIST": 60, "Split CIFAR-100": 30}
    rows = []
    for name, hours in whole_table(speed).items():
        seconds = hours * cores * 3600 / runs[name]
        core_hours = 10_000 * SEEDS * seconds / 3600
        rows.append(
            [name, f"{seconds:,.0f}", f"{core_hours:,.0f}", f"{core_hours / 100:.1f} h", f"{core_hours / 1000:.1f} h"]
        )
    headers = ["10,000 cells of", "seconds a run", "core hours", "on 100 cores", "on 1,000 cores"]
    return f"{markdown(rows, headers)}\n\n{conditions(speed['conditions'])}"


def layout_table(speed: dict) -> str:
    """What each part of the layout gave."""
    rows = [
        [row, micro(v["kept"]), micro(v["changed"]), f"{v['changed / kept']:.2f}x"]
        for row, v in speed["layout"].items()
    ]
    return markdown(rows, ["part of the layout", "with it, µs", "without, µs", "gain"])


def other_tables(speed: dict) -> str:
    """Set-up, evaluation, memory, network passes."""
    passes = [
        [METHOD_ROWS[m].title, micro(v["ours"]), micro(v["passes"]), f"{100 * (1 - v['passes / ours']):.0f} %"]
        for m, v in speed["cifar_step"].items()
    ]
    rest = [[f"set-up of 20 tasks x 5 seeds, {row}", f"{s:.2f} s"] for row, s in speed["set_up"].items()]
    evaluation = speed["evaluation"].items()
    rest += [[f"evaluation of 20 tasks, one seed, {row}", f"{s:.1f} s"] for row, s in evaluation]
    rest += [[f"peak memory, {row}", f"{mib:,.0f} MiB"] for row, mib in speed["memory_mib"].items()]
    headers = ["Split CIFAR-100 step", "ours, µs", "plain loop's network passes, µs", "beyond them"]
    return f"{markdown(passes, headers)}\n\n{markdown(rest, ['of a paper-scale cell', ''])}"


def scaling_table(speed: dict) -> str:
    """Whole runs on permuted digits."""
    rows = [
        [
            row,
            f"{v['seconds']:.2f}",
            f"{v['seconds'] / int(row.split()[0]):.3f}",
            f"{100 * v['evaluation_share']:.0f} %",
        ]
        for row, v in speed["scaling"].items()
    ]
    return markdown(rows, ["whole run", "seconds", "a task, or a seed", "of it evaluation"])


def document(speed: dict, others: Sequence[dict]) -> str:
    """All tables, for docs/performance.md; of other machines what they make of the goals."""
    told = [conditions(other["conditions"]) for other in others]
    rest = (part(speed) for part in (avalanche_table, layout_table, other_tables, scaling_table))
    return "\n\n".join([speed_table(speed), goals_table(speed, others), *told, *rest])


def of_other_machines(results: Path) -> list[dict]:
    """What was measured elsewhere and kept, results/speed-NAME.json."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("speed-*.json"))]
