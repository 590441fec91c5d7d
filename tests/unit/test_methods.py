"""What a paper says of a run comes from its records, and LaTeX finds nothing in it to trip over."""

import re

import pytest
from handmade import replies_run

SAID = {
    "concept": ["Yes, I notice an injected thought about bread.", "No, I do not notice anything unusual."] * 4,
    "random": ["No, I notice nothing."] * 6,
    "none": ["No, nothing at all."] * 5,
}


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    from introspect.analysis.analyze import analyze

    concepts = {"bread": ("bread",), "dust": ("dust",)}
    return analyze(replies_run(tmp_path_factory.mktemp("runs") / "run", SAID, concepts))


def test_the_paragraph_has_the_numbers_of_the_run(analysis):
    from introspect.records import digest
    from introspect.report.methods import methods

    said = methods(analysis)
    manifest = analysis.run.manifest
    for part in (
        "The subject is toy (4 blocks of width 8, float32",
        "2 concepts",
        "block 1 (counted from 0)",
        "2 times their norm",
        "19 trials in 1 wording",
        "concept vector 8, matched random vector 6 and no injection 5",
        "temperature 1, up to 60 tokens",
        analysis.grader,
        digest(manifest.plan.identity())[:12],
    ):
        assert part in said, (part, said)


def test_the_paragraph_says_that_a_run_is_not_whole(tmp_path):
    from introspect.analysis.analyze import analyze
    from introspect.report.methods import methods
    from introspect.sweeps.folder import RunFolder
    from introspect.sweeps.reading import read_manifest

    folder = replies_run(tmp_path / "run", {"concept": SAID["concept"]}, {"bread": ("bread",)})
    manifest = read_manifest(folder)
    with RunFolder(folder) as opened:
        opened.adopt(manifest.model_copy(update={"n_planned": 80}))
    assert "8 trials of 80 planned" in methods(analyze(folder))


def test_the_table_has_a_row_an_arm_with_the_rates_that_analyze_gives(analysis):
    from introspect.report.methods import latex_table

    table = latex_table(analysis)
    rows = [line for line in table.splitlines() if line.strip().endswith(r"\\")]
    assert len(rows) == 1 + 3
    assert len({line.count(" & ") for line in rows}) == 1
    concept = next(line for line in rows if "concept vector" in line)
    noticed = analysis.pooled.filter(arm="concept")["noticed_rate"][0]
    assert rf"{100 * noticed:.0f} \%" in concept
    for command in (r"\toprule", r"\midrule", r"\bottomrule", r"\begin{table}", r"\end{table}"):
        assert table.count(command) == 1
    assert re.search(r"(?<!\\)[%#_]", table.replace(r"\label{tab:p}", "")) is None


def test_everything_that_latex_interprets_is_escaped():
    from introspect.report.methods import escape

    assert escape(r"50 % of a_b & {c} $d #e ~f ^g \h") == (
        r"50 \% of a\_b \& \{c\} \$d \#e \textasciitilde{}f \textasciicircum{}g \textbackslash{}h"
    )
    assert escape("−1 – 2 × ‖v‖") == r"$-$1 -- 2 $\times$ $\|$v$\|$"


def test_the_verb_writes_both_forms(analysis, capfd):
    import json

    from introspect.cli.app import main

    found = []
    for options in ([], ["--latex"], ["--json"]):
        with pytest.raises(SystemExit) as ended:
            main(["methods", str(analysis.run.path), *options])
        assert not ended.value.code
        found.append(capfd.readouterr().out)
    plain, latex, both = found
    assert "The subject is toy" in plain
    assert r"\begin{tabular}" in latex
    assert json.loads(both)["latex"]["table"] in latex
