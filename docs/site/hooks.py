"""Pages of the site that are written elsewhere: the readme, the experiments, the verbs, the public names.

Nothing is copied into ``docs/``: mkdocs gets these as generated files. The list of pages takes what there is, so that a
page that is added stands in the site, and one that is not there breaks nothing.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer.core import TyperCommand, TyperGroup

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
MENU: dict[str, tuple[str, ...]] = {
    "Begin": ("index", "concepts", "tutorial", "how-to", "glossary"),
    "Experiments": ("experiments", "criteria", "organisms", "replication"),
    "Files and models": (
        "plans",
        "stimuli",
        "subjects",
        "vectors",
        "backends",
        "judges",
        "labelling",
        "inspect",
        "scale",
    ),
    "Results": ("statistics", "formulas", "coverage", "report", "lab", "figures", "reliability", "performance", "log"),
    "Reference": ("commands", "command-line", "errors", "api", "architecture"),
}
"""Pages in their order. Those of ``docs/`` that are missing here stand under "More"."""
AREAS = {
    "Subjects and injection": (
        "Injection", "LocalSubject", "Query", "Readout", "Reply", "Request", "Span", "load_subject",
    ),
    "Concepts and vectors": (
        "Concept", "ConceptSet", "ConceptVector", "VectorSet", "concept_vector", "extract", "load_concepts",
        "load_vectors", "Stimuli", "load_stimuli",
    ),
}  # fmt: skip
"""Public names by area; the others belong to runs and results."""
OTHERS = "Runs and results"
MENTION = re.compile(r"`(?:docs/([\w-]+)\.md|experiments/([\w-]+)/(?:README\.md)?|experiments/(LOG)\.md)`")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the menu of what there is."""
    there = {page.stem for page in DOCS.glob("*.md")} | {"index", "commands", "api", "log"}
    menu: list[Any] = []
    for title, names in MENU.items():
        pages: list[Any] = [f"{name}.md" for name in names if name in there]
        if title == "Experiments":
            place = next((i for i, page in enumerate(pages) if page == "experiments.md"), 0) + 1
            pages[place:place] = [f"experiments/{folder.name}.md" for folder in _experiments()]
        menu.append({title: pages})
    more = sorted(there - {name for names in MENU.values() for name in names})
    if more:
        menu.append({"More": [f"{name}.md" for name in more]})
    config.nav = menu
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are written elsewhere or made from the code."""
    pages = {
        "index.md": (ROOT / "README.md").read_text("utf-8"),
        "log.md": (ROOT / "experiments" / "LOG.md").read_text("utf-8"),
        "commands.md": _commands(),
        "api.md": _api(),
    }
    pages |= {f"experiments/{each.name}.md": (each / "README.md").read_text("utf-8") for each in _experiments()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the mention of a page into a link to it."""
    up = "../" * page.file.src_uri.count("/")

    def link(found: re.Match[str]) -> str:
        document, folder, log = found.groups()
        target = f"{document}.md" if document else f"experiments/{folder}.md" if folder else "log.md" if log else ""
        known = files.get_file_from_path(target)
        return f"[{found[0]}]({up}{target})" if known and target != page.file.src_uri else found[0]

    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else MENTION.sub(link, part) for part in parts)


def _experiments() -> list[Path]:
    return sorted(page.parent for page in (ROOT / "experiments").glob("*/README.md"))


def _commands() -> str:
    """Write every verb with its help, its examples and its options, from the command line itself."""
    from typer.main import get_command

    from introspect.cli.app import app
    from introspect.cli.panels import EXIT_CODES, PANELS

    command = get_command(app)
    lines = ["# Commands", "", f"`introspect --help` says the same. {EXIT_CODES}", ""]
    for panel, verbs in PANELS.items():
        lines += [f"## {panel}", ""]
        for verb in verbs:
            for name, each in _verbs(command.commands[verb], verb):
                lines += _command(name, each)
    return "\n".join(lines)


def _verbs(command: TyperGroup | TyperCommand, name: str) -> Iterator[tuple[str, TyperCommand]]:
    if isinstance(command, TyperCommand):
        yield name, command
        return
    for part, each in command.commands.items():
        yield from _verbs(each, f"{name} {part}")


def _command(name: str, command: TyperCommand) -> list[str]:
    paragraphs = [" ".join(each.split()) for each in (command.help or "").split("\n\n")]
    said = [each for each in paragraphs if not each.startswith("introspect ")]
    shown = [each for each in paragraphs if each.startswith("introspect ")]
    lines = [f"### introspect {name}", "", *(f"{_plain(each)}\n" for each in said), "```sh", *shown, "```", ""]
    lines += ["| argument | meaning |", "|---|---|"]
    for parameter in command.params:
        option = parameter.opts[0].startswith("-")
        names = ", ".join(parameter.opts) if option else parameter.metavar or str(parameter.name).upper()
        if parameter.name != "help":
            lines.append(f"| `{names}` | {_plain(getattr(parameter, 'help', '') or '')} |")
    return [*lines, ""]


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _api() -> str:
    """Write the public names by area, each as mkdocstrings reads it out of the code."""
    import introspect

    homes = introspect._HOME
    placed = {name for names in AREAS.values() for name in names}
    areas = dict(AREAS) | {OTHERS: tuple(name for name in sorted(homes) if name not in placed)}
    homes = homes | {"LocalSubject": "subjects.local"}
    lines = ["# Public names", "", "What `import introspect as ins` offers; nothing is imported before it is used.", ""]
    for area, names in areas.items():
        lines += [f"## {area}", ""]
        for name in names:
            lines += [f"::: introspect.{homes[name]}.{name}", ""]
    return "\n".join(lines)
