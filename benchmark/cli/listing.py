"""What there is to run, as text: methods, streams, settings with their sources, data."""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from tabulate import tabulate

from benchmark.networks.external import is_code
from benchmark.networks.registry import NETWORKS, title_of
from benchmark.streams.kinds import STREAMS, StreamKind
from benchmark.streams.names import from_elsewhere, stream_id
from benchmark.training import external
from methods.catalogue import METHOD_ROWS, memoryless

WIDTH = 100


def catalogue() -> str:
    """The methods with their papers, the networks, and the streams with their origin."""
    methods = tabulate(
        [(id, row.title, memoryless(id), row.reference) for id, row in METHOD_ROWS.items()],
        headers=("method", "title", "memoryless", "source"),
        tablefmt="simple",
        maxcolwidths=[None, None, None, 60],
    )
    networks = tabulate(
        [(kind.id, kind.title, kind.takes) for kind in NETWORKS.values()],
        headers=("network", "title", "takes"),
        tablefmt="simple",
    )
    streams = "\n\n".join(stream(kind) for kind in STREAMS.values())
    return f"{methods}\n\n{networks}\n\nSTREAMS\n\n{streams}"


def catalogue_json() -> str:
    """The same as an object: methods, networks and streams, each with its id."""
    methods = [{"id": id, **row._asdict()} for id, row in METHOD_ROWS.items()]
    networks = [{"id": kind.id, "title": kind.title, "takes": kind.takes} for kind in NETWORKS.values()]
    streams = [asdict(kind) for kind in STREAMS.values()]
    return json.dumps({"methods": methods, "networks": networks, "streams": streams}, indent=1)


def stream(kind: StreamKind) -> str:
    """What a stream is and where it comes from."""
    heads = "one head" if kind.heads == "one" else "one head a task"
    title = f"{kind.id}  {kind.title}, {kind.tasks} tasks, {title_of(kind.network)}, {heads}"
    place = "in the paper's table" if kind.in_paper else "not in the paper"
    text = textwrap.wrap(kind.source, WIDTH, initial_indent="  ", subsequent_indent="  ")
    return "\n".join([f"{title} ({place})", *text])


def settings(methods: Sequence[str], streams: Mapping[str, Mapping[str, object]]) -> str:
    """The settings of each method on each stream, every value beside its source; streams: with what is changed."""
    return "\n\n".join(_cell(method, stream, changes) for stream, changes in streams.items() for method in methods)


def settings_json(methods: Sequence[str], streams: Mapping[str, Mapping[str, object]]) -> str:
    """The same as a list: method, stream and settings, each with its value and source."""
    cells = []
    for stream, changes in streams.items():
        for method in methods:
            rows = {name: {"value": value, "source": source} for name, value, source in _rows(method, stream, changes)}
            cells.append({"method": external.id_of(method), "stream": stream_id(stream), "settings": rows})
    return json.dumps(cells, indent=1)


def _rows(method: str, stream: str, changes: Mapping[str, object]) -> list[tuple[str, object, str]]:
    sources = external.sources_of(method, stream) | dict.fromkeys(changes, "given here")
    if "dropout" not in changes and is_code(str(changes.get("network", ""))):
        sources["dropout"] = "0: an external network has its own"
    if from_elsewhere(stream) and "tasks" in changes:
        sources["tasks"] = "given, or the stream's experiences"
    return [
        (name, value, sources[name])
        for name, value in external.settings_of(method, stream, changes).everything().items()
    ]


def _cell(method: str, stream: str, changes: Mapping[str, object]) -> str:
    rows = _rows(method, stream, changes)
    table = tabulate(rows, headers=("setting", "value", "source"), tablefmt="simple", disable_numparse=True)
    return f"{external.id_of(method)} on {stream_id(stream)}\n{table}"


def data(rows: Sequence[Mapping[str, str]]) -> str:
    """The data sets as benchmark.streams.datasets.describe gives them: where they lie, their digests, their source."""
    return "\n\n".join("\n".join(_data_set(row)) for row in rows)


def _data_set(row: Mapping[str, str]) -> Iterator[str]:
    yield f"{row['dataset']}  {row['title']}: {row['status']}"
    yield f"  place    {row['place'] or 'none: a run downloads it'}"
    for number, digest in enumerate(filter(None, row["digests"].split("; "))):
        yield f"  {'' if number else 'digests':8} {digest}"
    yield f"  source   {row['source']}"
