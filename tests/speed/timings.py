"""The raw timings, by table, row and side, and the medians and ratios they come to."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

from benchmark.records.provenance import PROJECT, checkout, processor, versions
from methods.catalogue import METHOD_ROWS

TABLES = {
    "mnist step",
    "cifar step",
    "fisher",
    "layout",
    "set-up",
    "evaluation",
    "scaling",
    "memory",
    "cifar rest",
    "cores",
}


class Timings:
    """`seconds[table][row][side][turn]`: seconds a unit (a step of one seed, a task, a run)."""

    def __init__(self, benchmarks: list[dict]) -> None:
        self.seconds = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
        self.extra = defaultdict(list)
        for entry in benchmarks:
            info = entry["extra_info"]
            place = self.seconds[info["table"]][info["row"]][info["side"]]
            place[info["turn"]] = entry["stats"]["median"] / info["count"]
            self.extra[info["table"], info["row"]].append(info)

    def complete(self) -> bool:
        """Whether something of every table was timed."""
        return set(self.seconds) >= TABLES

    def conditions(self, raw: dict) -> dict:
        """Where, when and how; `spread`: a step's longest turn over its shortest, at worst."""
        steps = [
            side
            for table in ("mnist step", "cifar step")
            for row in self.seconds[table].values()
            for side in row.values()
        ]
        count = max(len(turns) for turns in steps)
        commit, clean = checkout(PROJECT)
        return {
            "command": "make bench",
            "date": raw["datetime"][:10],
            "processor": processor(),
            "cores": raw["machine_info"]["cpu"]["count"],
            "threads": self.extra["mnist step", "naive"][0]["threads"],
            "turns": count,
            "spread": max(max(s.values()) / min(s.values()) for s in steps) if count > 1 else None,
            "commit": commit,
            "clean": clean,
            "versions": versions(),
        }

    def steps(self, table: str, sides: list[str]) -> dict:
        """By row: seconds of ours and the other sides, and each of these over ours."""
        return {
            row: {side: median(by_side[side].values()) for side in ["ours", *sides]}
            | {f"{side} / ours": self._ratio(by_side[side], by_side["ours"]) for side in sides}
            for row in METHOD_ROWS
            if (by_side := self.seconds[table].get(row))
        }

    def others(self, table: str, row: str, prefix: str) -> dict:
        """The further sides of a row whose names begin with `prefix`: seconds, and over ours."""
        by_side = self.seconds[table][row]
        return {
            side: {"seconds": median(turns.values()), "/ ours": self._ratio(turns, by_side["ours"])}
            for side, turns in by_side.items()
            if side.startswith(prefix)
        }

    def between(self, table: str, row: str, side: str) -> float:
        """Ours of a row over another side of it."""
        return self._ratio(self.seconds[table][row]["ours"], self.seconds[table][row][side])

    def fisher(self) -> dict:
        """Seconds that the Fisher adds to a task of one seed: ours is a difference of two timings."""
        sides = self.seconds["fisher"]["ewc"]
        added = {turn: sides["with"][turn] - sides["without"][turn] for turn in sides["with"]}
        return {
            "ours": median(added.values()),
            "avalanche": median(sides["avalanche"].values()),
            "avalanche / ours": self._ratio(sides["avalanche"], added),
        }

    def changes(self) -> dict:
        """By part of the layout: seconds with it and without it, and without over with."""
        return {
            row: {side: median(sides[side].values()) for side in ("kept", "changed")}
            | {"changed / kept": self._ratio(sides["changed"], sides["kept"])}
            for row, sides in self.seconds["layout"].items()
        }

    def column(self, table: str) -> dict:
        """By row: seconds of ours."""
        return {row: median(sides["ours"].values()) for row, sides in self.seconds[table].items()}

    def scaling(self) -> dict:
        """By run: seconds, and the part of them spent on evaluation."""
        return {
            row: {
                "seconds": seconds,
                "evaluation_share": median(info["evaluation_share"] for info in self.extra["scaling", row]),
            }
            for row, seconds in self.column("scaling").items()
        }

    def busy(self) -> float:
        """The part of all cores' time that training a cell used."""
        return self.extra["cores", "naive on split-cifar100"][0]["busy"]

    def memory(self) -> dict:
        """By cell: peak resident memory in MiB."""
        return {row: self.extra["memory", row][0]["peak_mib"] for row in self.seconds["memory"]}

    @staticmethod
    def _ratio(one: dict[int, float], other: dict[int, float]) -> float:
        return median(one[turn] / other[turn] for turn in one)
