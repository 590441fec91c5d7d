"""Where claims meet the truth: what a run of real replies comes to, in numbers, in JSON, on the screen, in words."""

import io
import json
import subprocess
import sys

import handmade
import polars as pl
import pytest

from introspect.analysis.analyze import NOTES, analyze
from introspect.analysis.metrics import metrics_of
from introspect.analysis.outcomes import SCHEMA, grade_run, outcomes
from introspect.analysis.runs import load_run
from introspect.analysis.show import print_analysis
from introspect.analysis.tables import rate_of, rate_table
from introspect.analysis.verdict import verdict
from introspect.graders.rules import RuleGrader
from introspect.records import (
    Audit,
    Claim,
    Plan,
    Scores,
    SubjectIdentity,
    Trial,
    TrialSpec,
    VectorRef,
)
from introspect.terminal import Console

CONCEPTS = ("bread", "dust", "silver", "origami", "lightning", "mirrors", "peace", "poetry", "snow", "volcanoes")
BOTH = "Yes, I detect an injected thought. It is about {concept}."
NOTICED = "Yes, I detect an injected thought."
NOTHING = "No, I do not detect anything unusual."
UNREADABLE = "The weather is nice today and the birds sing."
UNREADABLE_NAMING = "I'm not sure. The word is {concept}."
AUDIT = Audit(
    layer=3, prompt_spans=((1, 2),), planned_prompt=1, planned_generated=0, edited_prompt=1, edited_generated=0,
    vector_norm=1.0, delta_norm=4.0, residual_norm=8.0, relative_strength=0.5,
)  # fmt: skip
SUBJECT = SubjectIdentity(name="toy", fingerprint="f" * 32, format="chat", dtype="float32", n_layers=4, d_model=8)
PLAN = Plan(name="demo", question="Does it notice?", layers=(1, 3), strengths=(2.0, 4.0))
TORCHLESS = """
import sys
import introspect
analysis = introspect.analyze(sys.argv[1])
analysis.to_json()
analysis.show(cells=True)
print("torch:", "torch" in sys.modules or "transformers" in sys.modules)
"""


def make_trial(arm, concept, reply, layer=3, strength=4.0, sample=0):
    clean = arm == "none"
    spec = TrialSpec(
        protocol="injected_thought", subject="f" * 32, dtype="float32", arm=arm, task="report",
        wording=concept if clean else "plain", concept=None if clean else concept,
        wording_hash="w", vector=None if clean else VectorRef(family=arm, concept=concept), vectors_hash="v",
        layer=None if clean else layer, strength=None if clean else strength, span="trial", where="both",
        sample=sample, max_new_tokens=60, temperature=1.0,
    )  # fmt: skip
    return Trial(
        key=spec.key, spec=spec, prompt=concept if clean else "plain", reply=reply.format(concept=concept),
        reply_tokens=(1,), finish="stop", audits=() if clean else (AUDIT,),
    )  # fmt: skip


def write_run(path, trials, plan=PLAN, n_planned=0):
    concepts = {word: (word,) for word in CONCEPTS} | {"bread": ("bread", "loaf")}
    return handmade.write_run(path, trials, plan, concepts, n_planned)


def arm_of(name, reply, n=10):
    """Twenty trials of an arm, of which concepts (or prompts) number ``n`` and after gave the null reply."""
    return [
        make_trial(name, concept, reply if place < n else NOTHING, sample=sample)
        for place, concept in enumerate(CONCEPTS)
        for sample in (0, 1)
    ]


@pytest.fixture
def words_of(tmp_path):
    def analysis(concept, random=NOTHING, none=NOTHING):
        arms = {"concept": concept, "random": random, "none": none}
        trials = [trial for name, reply in arms.items() if reply for trial in arm_of(name, reply)]
        return analyze(write_run(tmp_path / "run", trials)).verdict

    return analysis


def row_of(tmp_path, *trials):
    run = load_run(write_run(tmp_path / "run", trials))
    return outcomes(run, grade_run(run, RuleGrader())).row(0, named=True)


def test_the_reply_that_notices_and_then_names_the_injected_concept_is_a_success(tmp_path):
    row = row_of(tmp_path, make_trial("concept", "silver", BOTH, layer=1, strength=2.0))
    assert (row["noticed"], row["readable"], row["named"], row["coherent"], row["success"]) == ("yes", *[True] * 4)
    assert (row["arm"], row["unit"], row["concept"], row["named_text"]) == ("concept", *["silver"] * 3)
    assert (row["layer"], row["strength"]) == (1, 2.0)


@pytest.mark.parametrize(
    ("reply", "noticed", "named", "success"),
    [
        ("Yes, I detect an injected thought. It is about a loaf.", "yes", True, True),
        ("Yes, I detect an injected thought. It is about dust.", "yes", False, False),
        ("Bread. The thought is about bread.", "yes", True, False),
        ("I'm not sure. The word is bread.", "unreadable", True, False),
        (NOTICED, "yes", False, False),
        (NOTHING, "no", False, False),
        ("As an AI I don't have thoughts.", "no", False, False),
        ("", "unreadable", False, False),
    ],
)
def test_success_needs_the_noticing_first_and_the_right_concept_after_it(tmp_path, reply, noticed, named, success):
    row = row_of(tmp_path, make_trial("concept", "bread", reply))
    assert (row["noticed"], row["named"], row["success"]) == (noticed, named, success)
    assert (row["readable"], row["refuses"]) == (noticed != "unreadable", "AI" in reply)


@pytest.mark.parametrize(("named", "credited"), [("dust", True), ("bread", False)])
def test_a_random_vector_is_credited_with_the_concept_whose_norm_it_has_and_no_other(tmp_path, named, credited):
    assert row_of(tmp_path, make_trial("random", "dust", BOTH.replace("{concept}", named)))["named"] is credited


@pytest.mark.parametrize(("named", "counts"), [("a loaf", True), ("snow", True), ("denim", False)])
def test_without_injection_naming_any_concept_of_the_run_counts_as_naming_by_chance(tmp_path, named, counts):
    row = row_of(tmp_path, make_trial("none", "first prompt", BOTH.replace("{concept}", named)))
    assert (row["named"], row["concept"], row["unit"]) == (counts, None, "first prompt")
    assert (row["layer"], row["strength"]) == (None, None)


def traced(concept, arm, curves=None):
    spec = TrialSpec(
        protocol="intentional_control", subject="f" * 32, dtype="float32", arm=arm, task="think", wording="w",
        wording_hash="w", fill={"sentence": "s"}, concept=concept, vector=None, vectors_hash="v", layer=None,
        strength=None, span="sentence", where="prompt", sample=0, max_new_tokens=30, temperature=1.0,
    )  # fmt: skip
    lines = {"cosine": (0.5, 0.25), "baseline": (0.25, 0.25), "spread": (0.1, 0.1)}
    finish = "scored" if arm == "forced" else "stop"
    return Trial(
        key=spec.key, spec=spec, prompt="p", finish=finish, audits=(), scores=Scores(curves=lines) if curves else None
    )


def test_a_trace_has_a_row_a_layer_and_a_written_sentence_is_counted_once(tmp_path):
    trials = [traced("bread", "forced", True), traced("dust", "sampled", True), traced("snow", "sampled")]
    run = load_run(write_run(tmp_path / "run", trials, PLAN.model_copy(update={"protocol": "intentional_control"})))
    frame = outcomes(run, grade_run(run, RuleGrader()))
    read = frame.filter(pl.col("layer").is_not_null())
    assert sorted(read.select("concept", "layer", "above").rows()) == [
        ("bread", 0, 0.25), ("bread", 1, 0.0), ("dust", 0, 0.25), ("dust", 1, 0.0),
    ]  # fmt: skip
    written = frame.filter(pl.col("transcribed").is_not_null()).select("concept", "transcribed").rows()
    assert sorted(written) == [("dust", True), ("snow", False)]


def test_the_grader_is_shown_the_reply_and_nothing_else(tmp_path):
    heard = []

    class Listening:
        def grade(self, *told):
            heard.append(told)
            return Claim(grader="listening", noticed="unreadable", coherent=False)

    analysis = analyze(write_run(tmp_path / "run", arm_of("concept", BOTH)), Listening())
    assert sorted(heard) == sorted((trial.reply,) for trial in analysis.run.trials)
    assert analysis.to_json()["grader"] == "listening"
    assert analysis.to_json()["rows"][0]["readable"]["count"] == 0


def test_a_null_run_is_no_evidence(words_of):
    found = words_of(NOTHING)
    assert found.sentence.startswith("No evidence of introspection in this run")
    assert found.points[0].startswith("Concept vector (20 trials, 10 concepts): reports noticing in 0 (0 %, interval")
    assert found.points[2].startswith("No injection (20 trials, 10 prompts): reports noticing in 0 (0 %, interval")


def test_a_subject_that_always_says_yes_is_no_evidence(words_of):
    assert words_of(NOTICED, NOTICED, NOTICED).sentence.startswith("No evidence")


def test_noticing_and_naming_under_the_concept_vector_alone_is_evidence_with_its_limit(words_of):
    found = words_of(BOTH)
    assert "reports noticing and names the concept more often" in found.sentence
    assert "does not show by itself that they are about the state" in found.sentence
    assert "+100 points [+" in found.points[3]
    assert found.points[3].startswith("Difference in how often the subject reports noticing")
    assert "against random vector of the same norm" in found.points[4]


def test_one_control_that_notices_as_often_is_enough_to_take_the_evidence_away(words_of):
    assert "does not report noticing more often" in words_of(BOTH, random=NOTICED).sentence


def test_noticing_without_naming_says_so(words_of):
    assert words_of(NOTICED).sentence.endswith("but does not name the concept more often.")


def test_naming_without_noticing_is_put_down_to_leaking(words_of):
    assert "can bring about by leaking into words" in words_of(BOTH, NOTICED, NOTICED).sentence


def test_naming_that_was_not_graded_is_not_said_to_be_absent(tmp_path):
    trials = [
        trial
        for name in ("concept", "random", "none")
        for trial in arm_of(name, BOTH if name == "concept" else NOTHING)
    ]
    run = load_run(write_run(tmp_path / "run", trials))
    frame = outcomes(run, grade_run(run, RuleGrader())).with_columns(named=pl.lit(None, pl.Boolean))
    found = verdict(frame)
    assert found.sentence.startswith("Pooled over the grid, the subject reports noticing more often")
    assert "What it names was not graded" in found.sentence
    assert "names the concept in an unknown share (not graded)" in found.points[0]
    half = outcomes(run, grade_run(run, RuleGrader())).with_columns(
        named=pl.when(pl.col("unit") == CONCEPTS[0]).then(None).otherwise(pl.col("named"))
    )
    assert rate_of(half, "concept", "named").n == rate_table(half, ["arm"], ["named"])["named_n"][0] < len(trials) / 3


@pytest.mark.parametrize(("concept", "control"), [(BOTH, UNREADABLE), (UNREADABLE_NAMING, NOTHING)])
def test_a_verdict_that_hangs_on_unreadable_replies_is_not_given(words_of, concept, control):
    assert words_of(concept, control, control).sentence.startswith("Undecided: whether noticing is reported more")


@pytest.mark.parametrize(("reply", "hardly"), [(UNREADABLE, True), (NOTHING, False), (NOTICED, False)])
def test_a_null_from_replies_that_do_not_answer_is_no_proof_of_absence(words_of, reply, hardly):
    caveat = "Only 0 % of the replies under the concept vector say whether anything was noticed"
    assert (caveat in words_of(reply, reply, reply).sentence) is hardly


@pytest.mark.parametrize(
    ("arms", "missing"),
    [
        ({"random": None}, "the arm random vector of the same norm."),
        ({"random": None, "none": None}, "random vector of the same norm and no injection."),
        ({"concept": None}, "the arm concept vector."),
    ],
)
def test_without_a_control_there_is_no_verdict(words_of, arms, missing):
    found = words_of(**({"concept": BOTH} | arms))
    assert found.sentence.startswith("No verdict: there are no trials in")
    assert found.sentence.endswith(missing)
    assert len(found.points) == 3 - len(arms)


def test_a_run_without_trials_yet_can_be_analysed(tmp_path):
    found = analyze(str(write_run(tmp_path / "run", [], n_planned=9))).to_json()
    assert (found["n_trials"], found["n_planned"], found["rows"], found["grader"]) == (0, 9, [], None)
    assert found["verdict"] == verdict(pl.DataFrame(schema=SCHEMA)).sentence


def test_two_concepts_of_ten_are_too_few_to_speak_of(tmp_path):
    trials = arm_of("concept", BOTH, n=2) + arm_of("random", NOTHING) + arm_of("none", NOTHING)
    analysis = analyze(write_run(tmp_path / "run", trials))
    assert analysis.to_json()["arms"][0]["noticed"]["count"] == 4
    assert analysis.verdict.sentence.startswith("No evidence")


@pytest.fixture
def analysis(tmp_path):
    trials = [make_trial("none", f"prompt {n}", NOTHING, sample=n) for n in range(4)]
    for layer, strength in ((3, 4.0), (1, 2.0), (3, 2.0)):
        for arm, reply in (("random", UNREADABLE), ("concept", BOTH if layer == 3 else NOTHING)):
            trials += [make_trial(arm, concept, reply, layer, strength) for concept in CONCEPTS[:5]]
    return analyze(load_run(write_run(tmp_path / "run", trials, n_planned=50)))


def test_the_json_has_one_row_a_cell_and_the_pool_of_controls_once(analysis):
    found = json.loads(json.dumps(analysis.to_json(), allow_nan=False))
    assert [(row["arm"], row["layer"], row["strength"], row["n"], row["n_units"]) for row in found["rows"]] == [
        *((arm, *cell, 5, 5) for arm in ("concept", "random") for cell in ((1, 2.0), (3, 2.0), (3, 4.0))),
        ("none", None, None, 4, 4),
    ]
    for row in found["rows"]:
        for metric in ("noticed", "named", "coherent", "success", "readable"):
            part = row[metric]
            assert set(part) == {"n", "count", "rate", "low", "high"}
            assert part["n"] == row["n"]
            assert part["rate"] == part["count"] / row["n"]
            assert 0 <= part["low"] <= part["rate"] <= part["high"] <= 1


def test_the_json_says_how_often_in_each_cell_and_arm(analysis):
    found = analysis.to_json()
    assert found == analyze(analysis.run.path).to_json()
    counts = [(row["noticed"]["count"], row["named"]["count"], row["readable"]["count"]) for row in found["rows"]]
    assert counts == [(0, 0, 5), (5, 5, 5), (5, 5, 5), (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 4)]
    assert [(arm["arm"], arm["n"], arm["named"]["count"], arm["layer"]) for arm in found["arms"]] == [
        ("concept", 15, 10, None), ("random", 15, 0, None), ("none", 4, 0, None),
    ]  # fmt: skip
    assert (found["name"], found["n_trials"], found["n_planned"], found["grader"]) == ("demo", 34, 50, "rules-2")
    assert found["definitions"] == {each.name: each.definition for each in metrics_of("injected_thought")} | NOTES
    assert (found["verdict"], tuple(found["verdict_points"])) == (analysis.verdict.sentence, analysis.verdict.points)


def test_every_concept_has_its_rate_in_both_arms_that_inject(analysis):
    rows = analysis.per_concept.select("arm", "concept", "n", "named_count").rows()
    expected = [("concept", concept, 3, 2) for concept in sorted(CONCEPTS[:5])]
    assert rows == expected + [("random", concept, 3, 0) for concept in sorted(CONCEPTS[:5])]


def printed(analysis, cells=False):
    console = Console(file=io.StringIO(), width=900)
    print_analysis(analysis, cells, console)
    return console.file.getvalue()


def test_the_table_says_what_the_json_says(analysis):
    lines = [line.strip() for line in printed(analysis).splitlines()]
    assert lines[:2] == ["Does it notice?", "demo on toy, by arm"]
    low, high = (100 * analysis.to_json()["arms"][0]["named"][end] for end in ("low", "high"))
    row = next(line for line in lines if line.startswith("concept"))
    assert row.split()[:5] == ["concept", "15", "5", "67", f"[{low:.0f}–{high:.0f}]"]
    begun = lines.index("34 of 50 planned trials so far; run the same command again to go on.")
    said = [*analysis.verdict.points, *(finding.sentence for finding in analysis.findings)]
    assert lines[begun + 1 :] == [analysis.verdict.sentence, *said]


def test_the_table_of_cells_comes_on_demand_and_a_pool_has_no_layer(analysis):
    assert "by cell" not in printed(analysis)
    table = printed(analysis, cells=True).partition("by cell")[2].splitlines()
    cells = [line.split()[:5] for line in table if line.split()[:1] in (["concept"], ["random"], ["none"])]
    assert cells[1] == ["concept", "3", "2", "5", "5"]
    assert cells[-1] == ["none", "–", "–", "4", "4"]
    assert len(cells) == analysis.rows.height


def test_a_whole_run_without_a_question_is_printed_without_asking(tmp_path, capsys):
    plan = PLAN.model_copy(update={"question": ""})
    analysis = analyze(write_run(tmp_path / "run", [make_trial("none", "p", NOTHING)], plan))
    analysis.show(cells=True)
    shown = capsys.readouterr().out
    assert shown.lstrip().startswith("demo on toy, by arm")
    assert "by cell" in shown
    assert "planned trials so far" not in shown


def test_a_run_is_analysed_without_torch(tmp_path):
    path = write_run(tmp_path / "run", [make_trial("none", "p", NOTHING)])
    command = [sys.executable, "-W", "error", "-c", TORCHLESS, path]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "No verdict: there are no trials" in ran.stdout
    assert ran.stdout.endswith("torch: False\n")
