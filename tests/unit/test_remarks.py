"""A remark is made where a referee would make it, and nowhere else; none of them changes a verdict."""

import polars as pl
import pytest
from evidence import of, row, study_of, subject
from evidence import remarked as said
from handmade import SUBJECT, write_run

from introspect.analysis.calibration import write_calibration
from introspect.analysis.criteria.calibrated import known_calibration
from introspect.analysis.criteria.evidence import Evidence
from introspect.analysis.criteria.remarks import injected_at
from introspect.analysis.runs import load_run
from introspect.graders.rules import RuleGrader
from introspect.records import Audit, Plan, Trial, TrialSpec, VectorRef


def bare():
    """Reports alone: every concept is named."""
    return of(*(row(concept=c, named=c, wording=w) for w in "ab" for c in ("bread", "dust", "silver")))


def _few_questions():
    real = subject("introspector")
    return Evidence(
        real.rows, real.questions.filter(pl.col("item").is_in(["q0", "q7"]) | pl.col("task").str.starts_with("det"))
    )


def _unlikely(part):
    return of(*bare().rows, *(row(part, "bread", answer="bread", mass=m) for m in (0.001, 0.01, 0.9)))


REMARKS = {
    "too few to exclude": lambda: subject("introspector", n=20),
    "vectors of noise": bare,
    "no control questions": bare,
    "without injection has only 20 prompts": lambda: of(
        *bare().rows, *(row(arm="none", prompt=f"lead {i}", wording=f"it_{i % 3}") for i in range(60))
    ),
    "cannot be read as an answer": lambda: subject("introspector", unread=0.4),
    "it depends on how unreadable": lambda: subject("confabulator", unread=0.3),
    "fewer than 20": _few_questions,
    "Accuracy alone": lambda: subject("parrot"),
    "hardly any mass on the names in one pass (name: median 0.01)": lambda: _unlikely("name"),
    "hardly any mass on yes and no to the detection question": lambda: _unlikely("detection"),
    "hardly any mass on yes and no about the earlier turn": lambda: _unlikely("earlier"),
    "hardly any mass on the codes": lambda: _unlikely("codes"),
}


@pytest.mark.parametrize(("remark", "clouded"), REMARKS.items(), ids=list(REMARKS))
def test_a_remark_is_made_where_it_is_due_and_not_elsewhere(remark, clouded):
    assert any(remark in each for each in said(clouded()))
    assert not any(remark in each for each in said(_sound()))


def test_a_choice_on_few_concepts_is_remarked_on():
    whole = _sound()
    few = study_of(sides={"chose": "development"} | dict.fromkeys(whole.concepts, "report"))
    assert any("chosen on 1 concept;" in each for each in said(whole, few))
    assert not any("was chosen on" in each for each in said(whole))


def _sound():
    real = subject("introspector")
    leads = [row(arm="none", prompt=f"lead {i}", wording=f"it_{1 + i % 3}") for i in range(150)]
    return Evidence((*(r for r in real.rows if r.part != "report" or r.arm != "none"), *leads), real.questions)


def test_a_sound_study_has_but_the_remark_how_its_grader_errs():
    (only,) = said(_sound())
    of = known_calibration(RuleGrader.name).errors("noticed")
    assert only.startswith(f"The grader {RuleGrader.name} finds {of.found} of {of.found + of.missed} labelled replies")
    assert only.endswith("the criteria's intervals do not carry these errors.")


def test_a_grader_that_nobody_calibrated_is_remarked_on():
    (only,) = said(_sound(), grader="rules-0")
    assert only.startswith("The grader rules-0 is not calibrated against labels by others")


def test_a_grader_is_calibrated_where_its_very_version_has_a_file(tmp_path):
    known = known_calibration(RuleGrader.name)
    write_calibration(tmp_path / "rules-0.calibration.json", known)
    assert known_calibration("rules-0", tmp_path) == known
    assert known_calibration(RuleGrader.name, tmp_path) is None
    assert known_calibration("rules-0") is None


def test_choosing_on_test_data_is_remarked_on():
    real = _sound()
    names = real.concepts
    sides = dict.fromkeys(names, "report") | dict.fromkeys(names[:2], "development")
    assert any(
        f"chosen on test data: 2 of the concepts that are reported on had a part in the choice ({names[0]}, {names[1]})"
        in each
        for each in said(real, study_of(sides=sides))
    )
    assert any(
        "layer 2, strength 8 is none of the cells" in each.lower() for each in said(real, study_of(strength=8.0))
    )
    pair = (names[0], "no such concept")
    assert any(
        f"both sides of the split: {', '.join(pair)}" in each for each in said(real, study_of(names, groups=(pair,)))
    )
    assert not any("both sides" in each for each in said(real, study_of(names, groups=(names[:2],))))


def test_another_salt_is_remarked_on():
    real = _sound()
    assert any(
        "another salt than the project's: 'mine'" in each for each in said(real, study_of(real.concepts, salt="mine"))
    )
    assert not any("salt" in each for each in said(real))


# Where the vectors acted


def trial(layer=2, span="trial", edited=3, reply="No.", **changes):
    fields = {
        "protocol": "injected_thought", "subject": SUBJECT.fingerprint, "dtype": "float32", "arm": "concept",
        "task": "report", "wording": "plain", "wording_hash": "w", "concept": "bread",
        "vector": VectorRef(family="concept", concept="bread"), "vectors_hash": "v", "layer": layer, "strength": 3.0,
        "span": span, "where": "both", "sample": 0, "max_new_tokens": 9, "temperature": 0.0,
    }  # fmt: skip
    spec = TrialSpec(**(fields | changes))
    audit = Audit(
        layer=layer, prompt_spans=((2, 5),), planned_prompt=3, planned_generated=0, edited_prompt=edited,
        edited_generated=0, vector_norm=1.0, delta_norm=3.0, residual_norm=9.0, relative_strength=0.3,
    )  # fmt: skip
    audits = (audit,) if spec.vector else ()
    return Trial(key=spec.key, spec=spec, prompt="p", reply=reply, finish="stop", audits=audits)


def run_of(tmp_path, *trials, name="report", **changes):
    plan = Plan(name=name, layers=(2,), concepts=("bread",), side="report", **changes)
    return load_run(write_run(tmp_path / name, trials, plan, {"bread": ("bread",)}))


CLEAN = {"arm": "none", "vector": None, "layer": None, "strength": None, "concept": None}
OFF = {
    "planned": ([trial()], {}, False),
    "clean trials": ([trial(), trial(**CLEAN)], {"span": "trial"}, False),
    "fewer positions": ([trial(), trial(edited=2, sample=1)], {}, True),
    "another span than the plan's": ([trial(span="whole")], {"span": "trial"}, True),
    "another place than the plan's": ([trial()], {"where": "prompt"}, True),
}


@pytest.mark.parametrize(("trials", "plan", "off"), OFF.values(), ids=list(OFF))
def test_a_span_that_is_not_as_named_is_remarked_on(tmp_path, trials, plan, off):
    found = said(bare(), runs=[run_of(tmp_path, *trials, **plan)])
    assert any(f"report: the span is not as named in 1 of {len(trials)} trials" in each for each in found) == off


def test_reports_that_were_injected_in_different_ways_are_not_compared_in_silence(tmp_path):
    alike = [run_of(tmp_path, trial(), name="report"), run_of(tmp_path, trial(task="other"), name="other")]
    assert not any("injected alike" in each for each in said(bare(), runs=alike))
    other = run_of(tmp_path, trial(task="other", span="whole", layer=3), name="elsewhere")
    (found,) = [each for each in said(bare(), runs=[*alike, other]) if "injected alike" in each]
    assert "span trial, layer 2, strength 3 (other, report); span whole, layer 3, strength 3 (elsewhere)" in found


def test_every_trial_that_is_compared_has_to_be_injected_at_one_place(tmp_path):
    def run(name, protocol, task, span, where="both", reply="No."):
        return run_of(tmp_path, trial(span=span, protocol=protocol, task=task, where=where, reply=reply), name=name)

    runs = [
        run("report", "injected_thought", "report", "trial"),
        run("questions", "yes_no", "question/words", "all", "prompt", ""),
        run("elsewhere", "unprompted", "continue", "trial", "generated"),
        run("earlier", "steer_then_remove", "detect", "earlier", "prompt", ""),
    ]
    found = said(bare(), runs=runs)
    assert (
        "The trials that the criteria compare were not all injected alike: span all, layer 2, strength 3 (questions); "
        "span trial, layer 2, strength 3 (elsewhere, report)."
    ) in found
    assert "The vector did not act on the same part of all replies that are compared (both and generated)." in found
    assert {place.span for place in injected_at(runs)} == {"trial", "all"}
    alike = said(bare(), runs=[runs[0], runs[3]])
    assert not [each for each in alike if "injected alike" in each or "same part" in each]
