"""``compare``: runs of one plan, trial by trial."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from introspect.cli.output import JsonOption, print_json
from introspect.terminal import Console

if TYPE_CHECKING:
    from introspect.analysis.analyze import Analysis


def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR DIR …", help="Run folders.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Folder for a figure of all of them side by side.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare runs of one plan, trial by trial with the first: other subjects, chat formats, number formats.

    Strengths are compared as equal multiples of the vectors, and as about the same share of the residual's norm.

    introspect compare runs/base runs/instruct --out figures/base_and_instruct

    introspect compare runs/float32 runs/bfloat16
    """
    from introspect.analysis.analyze import analyze as analyze_run
    from introspect.analysis.compare import common_relative, compare_trials, side_by_side

    _check(folders)
    analyses = {str(folder): analyze_run(folder) for folder in folders}
    first, *others = analyses.values()
    relative = common_relative(list(analyses.values()))
    console = Console(highlight=False, quiet=as_json)
    _print_salts(console, analyses)
    for name, other in list(analyses.items())[1:]:
        console.print(Text(f"{folders[0]} against {name}: {compare_trials(first, other).sentence}", style="bold"))
    for other in others:
        for value in dict.fromkeys((None, relative)):
            _print_comparison(console, first, other, value)
    if as_json:
        print_json([_comparison(first, other, relative) for other in others])
    if out is not None:
        from introspect.plots.subjects import subjects
        from introspect.plots.write import write_figures

        drawn = {"side_by_side": subjects(side_by_side(analyses))}
        if relative is not None:
            title = f"The runs side by side at about {relative:.2g} of the residual's norm"
            drawn["side_by_side_relative"] = subjects(side_by_side(analyses, relative), title=title)
        command = f"introspect compare {' '.join(map(str, folders))} --out {out}"
        write_figures(drawn, out, {"runs": [str(folder) for folder in folders], "command": command})
        console.print(Text(f"{len(drawn)} figures in {out}"))


def _check(folders: list[Path]) -> None:
    """Refuse what is no comparison."""
    from introspect.errors import RunFolderError

    if len(folders) < 2:
        message = "a comparison needs at least two run folders; one was given"
        raise RunFolderError(message)
    if twice := [str(each) for each in folders if folders.count(each) > 1]:
        message = f"{twice[0]} is given twice; a comparison is of different run folders"
        raise RunFolderError(message)


def _print_salts(console: Console, analyses: "dict[str, Analysis]") -> None:
    from introspect.split import other_salt

    for name, analysis in analyses.items():
        if said := other_salt(analysis.run.manifest.plan.salt):
            console.print(Text(f"{name}: {said}", style="yellow"))


def _comparison(first: "Analysis", second: "Analysis", relative: float | None) -> dict[str, Any]:
    from introspect.analysis.compare import compare_effects, compare_trials

    found = {
        "equal_multiples": compare_effects(first, second).to_dicts(),
        "equal_share_of_the_norm": None if relative is None else compare_effects(first, second, relative).to_dicts(),
        "salts": [each.run.manifest.plan.salt for each in (first, second)],
    }
    paths = {"first": first.run.path, "second": second.run.path}
    return paths | {"trials": compare_trials(first, second).sentence, "relative_strength": relative} | found


def _print_comparison(console: Console, first: "Analysis", second: "Analysis", relative: float | None) -> None:
    from introspect.analysis.compare import compare_effects

    at = "at equal multiples" if relative is None else f"at about {relative:.2g} of the residual's norm"
    one, two = first.run.path.name, second.run.path.name
    table = Table(title=f"effects against no injection {at}, paired over concepts", title_justify="left")
    for name in ("task", "measure", "arm", one, two, "difference"):
        table.add_column(name, justify="left" if name in {"task", "measure", "arm"} else "right")
    for row in compare_effects(first, second, relative).iter_rows(named=True):
        means = (f"{row['first']:+.3f}", f"{row['second']:+.3f}")
        table.add_row(row["task"], row["metric"], row["arm"], *means, row["words"])
    console.print(table)
