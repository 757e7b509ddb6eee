"""The pages of the site that are written from the code: settings.md, and the methods below docs/methods.md."""

from collections.abc import Iterator
from inspect import getdoc

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from benchmark.streams.kinds import STREAMS
from methods.registry import METHODS
from methods.settings import settings_for, sources_for


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page of settings."""
    files.append(File.generated(config, "settings.md", content="\n".join(_settings())))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Put the methods below the text of docs/methods.md."""
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
            yield from (f"| `{name}` | {value} | {sources[name]} |" for name, value in settings_for(id, stream))
            yield ""
