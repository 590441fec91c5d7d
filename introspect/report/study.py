"""The page of one study, or of several side by side: the criteria in plain words first, then what they rest on."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from introspect.analysis.criteria import words
from introspect.analysis.criteria.between import between
from introspect.analysis.criteria.clauses import CRITERIA
from introspect.analysis.studies import StudyAnalysis
from introspect.plots.write import write_text
from introspect.report.page import asset, environment, policy
from introspect.report.transcripts import island


def study_page(studies: Sequence[StudyAnalysis], out: Path | None = None) -> Path:
    """Write the page, by default ``report.html`` in the first study's folder; runs have their own pages beside it."""
    target = out or studies[0].path / "report.html"
    text = (
        environment()
        .get_template("study.html.j2")
        .render(
            title="When the model reports on its own state, is the report about that state?",
            criteria=[{"name": name, "title": words.TITLES[name], "means": words.MEANS[name]} for name in CRITERIA],
            studies=[_shown(each, target.parent) for each in studies],
            comparisons=[_compared(studies[0], other) for other in studies[1:]],
            style=Markup(asset("page.css")),
            policy=policy(),
            drawings=Markup(island({})),
        )
    )
    return write_text(target, text)


def _shown(each: StudyAnalysis, beside: Path) -> dict[str, Any]:
    """Return what the page says of a study."""
    results, rules = each.results, each.study.rules
    met = [name for name in CRITERIA if results[name].status == "met"]
    return {
        "subject": each.subject,
        "verdicts": {
            name: {"status": result.status, "sentence": words.sentence(result)} for name, result in results.items()
        },
        "all": "yes" if len(met) == len(CRITERIA) else f"no, {len(met)} of {len(CRITERIA)}",
        "choice": each.choice,
        "lines": list(_lines(each, rules)),
        "grids": [
            {"name": grid.measure, "rows": [_cell(row) for row in grid.table.iter_rows(named=True)]}
            for grid in each.grids
        ],
        "beside": [finding.sentence for finding in each.beside],
        "remarks": each.remarks,
        "runs": [
            {"name": name, "n": f"{len(run.trials):,}", "href": _between(beside, run.path / "report.html")}
            for name, run in each.runs.items()
        ],
    }


def _cell(row: dict[str, Any]) -> dict[str, str]:
    """Write a cell of a grid."""
    p = {name: f"{row[name]:.4f}" for name in ("p", "p_best", "p_holm", "p_bh")}
    return {
        "layer": str(row["layer"]), "strength": f"{row['strength']:g}", "n": str(row["n_concepts"]),
        "value": f"{row['value']:+.2f}", **p,
    }  # fmt: skip


def _compared(first: StudyAnalysis, second: StudyAnalysis) -> dict[str, Any]:
    """Return what the page says of two subjects, part by part."""
    table = between(first.results, second.results, first.study.rules.level)
    return {
        "title": f"{first.subject} less {second.subject}",
        "level": f"{100 * first.study.rules.level:g} %",
        "rows": [
            {
                "criterion": words.TITLES[row["criterion"]], "clause": row["clause"], "part": row["part"],
                "first": f"{row['first']:+.2f}", "second": f"{row['second']:+.2f}",
                "difference": f"{row['difference']:+.2f}{'' if row['unit'] == 'rate' else ' nats'}",
                "interval": "no interval" if row["low"] is None else f"{row['low']:+.2f} to {row['high']:+.2f}",
                "n": str(row["n_concepts"]), "p": f"{row['p']:.4f}", "holm": f"{row['p_holm']:.4f}",
                "bh": f"{row['p_bh']:.4f}",
            }
            for row in table.iter_rows(named=True)
        ],
    }  # fmt: skip


def _lines(each: StudyAnalysis, rules: Any) -> Iterator[dict[str, str]]:  # noqa: ANN401
    for name in CRITERIA:
        for clause in each.results[name].clauses:
            for part in clause.parts:
                yield {
                    "criterion": words.TITLES[name],
                    "clause": clause.clause.name,
                    "words": part.part.words,
                    "status": part.status if clause.applies else "does not apply",
                    "figure": words.figure(part, rules),
                }


def _between(start: Path, target: Path) -> str:
    return Path(os.path.relpath(target, start)).as_posix()
