"""The page of one study, or of several side by side: the criteria in plain words first, then what they rest on."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from introspect.analysis.analyze import Analysis
from introspect.analysis.criteria import words
from introspect.analysis.criteria.between import between
from introspect.analysis.criteria.clauses import CRITERIA, Criterion
from introspect.analysis.criteria.judge import together
from introspect.analysis.criteria.results import ClauseResult, PartResult, least
from introspect.analysis.grid import Grid
from introspect.analysis.studies import StudyAnalysis
from introspect.plots.criteria import COLUMNS, criterion
from introspect.plots.write import write_text
from introspect.report.figures import Drawings
from introspect.report.several import Shown, render_several, told_apart

TITLE = "When the model reports on its own state, is the report about that state?"
LEDE = (
    "A concept's direction is added to the activations of a model, which is then asked what it notices. Four things "
    "are asked of its reports: that they are right, that they follow the state, that they are not read off the text, "
    "and that they pass tests of being about the state.",
)


def study_page(
    studies: Sequence[StudyAnalysis], analyses: Sequence[Mapping[str, Analysis]], out: Path | None = None
) -> Path:
    """Write the page, by default ``report.html`` in the first study's folder.

    Args:
        studies: The studies, judged.
        analyses: For each study its runs, analysed, by name.
        out: The file.
    """
    target = out or studies[0].path / "report.html"
    names = told_apart([(each.subject, "") for each in studies])
    drawings = Drawings()
    runs = [
        Shown.of(subject, name, analysis, _grids(study, name))
        for subject, study, own in zip(names, studies, analyses, strict=True)
        for name, analysis in own.items()
    ]
    others = list(zip(names, studies, strict=True))[1:]
    above = {
        "criteria": [_criterion(name, names, studies, drawings) for name in CRITERIA],
        "studies": [_shown(subject, each) for subject, each in zip(names, studies, strict=True)],
        "comparisons": [_compared((names[0], studies[0]), other) for other in others],
    }
    lede = (*LEDE, *(f"{subject}: {study.choice[0]}" for subject, study in zip(names, studies, strict=True)))
    text = render_several(runs, target.parent, drawings, title=TITLE, lede=lede, above=above)
    return write_text(target, text)


def _grids(study: StudyAnalysis, name: str) -> list[Grid]:
    """Return the grids of an experiment on the half that chose."""
    return study.grids_of(name) if name in study.study.rules.on_grid else []


def _shown(subject: str, each: StudyAnalysis) -> dict[str, Any]:
    """Return what the page says of a study."""
    met = [name for name in CRITERIA if each.results[name].status == "met"]
    whole = {"met": "yes", "not met": "no", "undetermined": "undetermined"}[
        together(each.results[name].status for name in CRITERIA)
    ]
    return {
        "subject": subject,
        "verdicts": {
            name: {"status": result.status, "sentence": words.sentence(result)} for name, result in each.results.items()
        },
        "all": whole if whole == "yes" else f"{whole}, {len(met)} of {len(CRITERIA)} met",
        "choice": each.choice,
        "beside": [finding.sentence for finding in each.beside],
        "remarks": each.remarks,
    }


def _criterion(
    name: Criterion, subjects: Sequence[str], studies: Sequence[StudyAnalysis], drawings: Drawings
) -> dict[str, Any]:
    """Return what the page says of a criterion: its meaning, its figure, its clauses in numbers."""
    found = [
        (subject, study, clause, part)
        for subject, study in zip(subjects, studies, strict=True)
        for clause in study.results[name].clauses
        for part in clause.parts
    ]
    rows = [_row(subject, study, part) for subject, study, clause, part in found if clause.applies]
    drawn = criterion(pl.DataFrame(rows, schema=_SCHEMA, orient="row"), words.TITLES[name])
    return {
        "name": name,
        "title": words.TITLES[name],
        "means": words.MEANS[name],
        "figure": drawings.add(name, drawn, prefix="criterion-", bare=True),
        "lines": [_line(*each) for each in sorted(found, key=lambda each: _order(each[2], each[3], found))],
    }


_SCHEMA = dict(
    zip(
        COLUMNS,
        (pl.String, pl.String, pl.String, *[pl.Float64] * 4, pl.String, pl.Int64, pl.Float64),
        strict=True,
    )
)


def _order(clause: ClauseResult, part: PartResult, found: Sequence[tuple[Any, ...]]) -> int:
    """Return the place of a part among all, so that subjects stand under each other."""
    keys = list(dict.fromkeys((each[2].clause.name, each[3].part) for each in found))
    return keys.index((clause.clause.name, part.part))


def _row(subject: str, study: StudyAnalysis, part: PartResult) -> tuple[Any, ...]:
    interval = part.interval
    bounds = (interval.value, interval.low, interval.high, least(part.part, study.study.rules))
    return (subject, part.part.words, part.part.unit, *bounds, part.status, interval.n_units, interval.level)


def _line(subject: str, study: StudyAnalysis, clause: ClauseResult, part: PartResult) -> dict[str, str]:
    return {
        "subject": subject,
        "clause": clause.clause.name,
        "words": part.part.words,
        "status": part.status if clause.applies else "does not apply",
        "figure": words.figure(part, study.study.rules),
    }


def _compared(first: tuple[str, StudyAnalysis], second: tuple[str, StudyAnalysis]) -> dict[str, Any]:
    """Return what the page says of two subjects, part by part."""
    rules = first[1].study.rules
    table = between(first[1].results, second[1].results, rules.level)
    return {
        "title": f"{first[0]} less {second[0]}, concept by concept",
        "level": f"{100 * rules.level:g} %",
        "rows": list(_differences(table)),
    }


def _differences(table: pl.DataFrame) -> Iterator[dict[str, str]]:
    for row in table.iter_rows(named=True):
        unit = "" if row["unit"] == "rate" else " nats"
        yield {
            "criterion": words.TITLES[row["criterion"]], "clause": row["clause"], "part": row["part"],
            "first": f"{row['first']:+.2f}", "second": f"{row['second']:+.2f}",
            "difference": f"{row['difference']:+.2f}{unit}",
            "interval": "no interval" if row["low"] is None else f"{row['low']:+.2f} to {row['high']:+.2f}",
            "n": str(row["n_concepts"]), "p": f"{row['p']:.4f}", "holm": f"{row['p_holm']:.4f}",
            "bh": f"{row['p_bh']:.4f}",
        }  # fmt: skip
