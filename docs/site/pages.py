"""What the site has besides the pages of docs/: settings.md and the methods, written from the code, and the figures."""

from collections.abc import Iterator
from inspect import getdoc
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from benchmark.streams.kinds import STREAMS
from methods.registry import METHODS
from methods.settings import settings_for, sources_for

ROOT = Path(__file__).resolve().parents[2]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page of settings, and the figures of results/."""
    files.append(File.generated(config, "settings.md", content="\n".join(_settings())))
    for figure in sorted(ROOT.glob("results/*.png")):
        files.append(File.generated(config, f"results/{figure.name}", abs_src_path=str(figure)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Put the methods below the text of docs/methods.md; figures lie in a folder of the site."""
    markdown = markdown.replace("](../results/", "](results/")
    return "\n".join([markdown, "", *_methods()]) if page.file.src_uri == "methods.md" else markdown


def _methods() -> Iterator[str]:
    for method in METHODS.values():
        yield f"## {method.title}\n"
        yield f"`{method.id}`, in `{method.__module__.replace('.', '/')}.py`. Reference: {method.reference}.\n"
        yield getdoc(method).replace("Deviations:", "\n\n**Deviations:**").replace("Source:", "\n\n**Source:**") + "\n"


def _settings() -> Iterator[str]:
    yield "# Settings and their sources\n"
    yield "Written from `methods/settings.py` and the methods' own files; "
    yield "`python -m benchmark list --settings` prints the same.\n"
    for stream, kind in STREAMS.items():
        yield f"## {kind.title}\n"
        yield f"{kind.source}\n"
        for id, method in METHODS.items():
            sources = sources_for(id, stream)
            yield f"### {method.title} on {kind.title}\n"
            yield "| setting | value | source |\n| --- | --- | --- |"
            yield from (
                f"| `{name}` | {value} | {sources[name]} |"
                for name, value in settings_for(id, stream).everything().items()
            )
            yield ""
