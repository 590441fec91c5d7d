"""Only what an injection does to the detection question, and to no other, counts as detection."""

import numpy as np
import polars as pl
import pytest

from introspect.analysis.control_line import AMONG, QUESTIONS, control_line

WORDINGS = ("a", "b")
MANNERS = ("words", "digits")


def subject(
    bias=0.0, slope=0.0, detects=0.0, to=None, heads=("detection",), clean=-1.0, n_concepts=20, n_questions=40,
    noise=0.3, spread=2.2, mass=0.6, curve=0.0, seed=0, concept_sd=0.0,
):  # fmt: skip
    """Trials of a subject whose shift is bias + slope · clean (+ curve · clean²), or whose answers all go ``to``."""
    rng = np.random.default_rng(seed)
    rows = []
    levels = rng.choice([-spread, spread], n_questions) + rng.normal(0, 0.3, n_questions)
    levels[:2] = -spread, spread
    asked = [(head, None, clean if head != "inverted" else -clean) for head in heads]
    asked += [("question", f"question {i}", level) for i, level in enumerate(levels)]
    own = rng.normal(0, concept_sd, n_concepts)
    for wording in WORDINGS:
        for manner in MANNERS:
            for head, item, level in asked:
                x = level + rng.normal(0, 0.05)
                prompt = f"{wording} {manner} {head} {item}"
                base = {"task": f"{head}/{manner}", "wording": wording, "info": "none", "item": item, "prompt": prompt}
                rows.append(base | {"arm": "none", "unit": prompt, "layer": None, "yes_logodds": x, "mass": mass})
                sign = {"detection": 1, "inverted": -1}.get(head, 0)
                for i in range(n_concepts):
                    shift = (to - x) if to is not None else bias + slope * x + curve * x * x
                    shift += sign * (detects + own[i]) + rng.normal(0, noise)
                    rows.append(
                        base
                        | {"arm": "concept", "unit": f"c{i:02}", "layer": 3, "yes_logodds": x + shift, "mass": mass}
                    )
    return pl.DataFrame(rows, schema_overrides={"item": pl.String, "layer": pl.Int64})


@pytest.mark.parametrize(
    ("trials", "score", "slope", "intercept"),
    [
        (subject(bias=1.5), 0, 0, 1.5),
        (subject(slope=-0.5), 0, -0.5, 0),
        (subject(bias=1.5, slope=-0.5), 0, -0.5, 1.5),
        (subject(bias=1.5, slope=-0.5, detects=2), 2, -0.5, 1.5),
        (subject(to=2.2, clean=-2.2), 0, -1, 2.2),
        (subject(detects=4.4, clean=-2.2), 4.4, 0, 0),
    ],
    ids=["yes-bias", "compression", "both", "both and detection", "saturated yes-sayer", "true reporter"],
)
def test_bias_and_compression_are_on_the_line_and_detection_is_above_it(trials, score, slope, intercept):
    line = control_line(trials)
    assert line.undetermined_because is None
    assert line.score.low < score < line.score.high
    assert line.score.high - line.score.low < 0.4
    for found, truth in ((line.score, score), (line.slope, slope), (line.intercept, intercept)):
        assert found.value == pytest.approx(truth, abs=0.12)
    assert line.curved_score.value == pytest.approx(score, abs=0.2)


def test_every_concept_has_a_score_of_its_own():
    line = control_line(subject(detects=1, concept_sd=1.5, noise=0.05, seed=3))
    own = np.random.default_rng(3)
    own.choice([-2.2, 2.2], 40), own.normal(0, 0.3, 40)
    truth = 1 + own.normal(0, 1.5, 20)
    assert list(line.by_concept) == [f"c{i:02}" for i in range(20)]
    assert np.allclose(line.scores, truth, atol=0.15)
    assert line.score.value == pytest.approx(line.scores.mean())
    assert line.score.se_concepts > 5 * line.score.se_questions


def test_the_inverted_question_scores_a_shift_towards_no():
    trials = subject(bias=1.5, slope=-0.5, detects=2, heads=("detection", "inverted"))
    assert control_line(trials, "inverted").score.value == pytest.approx(2, abs=0.15)
    biased = subject(bias=1.5, heads=("detection", "inverted"))
    assert control_line(biased, "inverted").score.value == pytest.approx(0, abs=0.15)


def test_an_undisturbed_line_is_exact_and_nothing_says_how_far_another_concept_could_be_from_it():
    line = control_line(subject(bias=0.5, slope=-0.25, detects=1, noise=0))
    assert line.score.value == pytest.approx(1)
    assert (line.slope.value, line.intercept.value) == pytest.approx((-0.25, 0.5))
    assert line.curve == pytest.approx((0.5, -0.25, 0), abs=1e-9)
    assert (line.score.low, line.score.high) == (None, None)


def test_a_bent_relation_is_seen_beside_the_line():
    line = control_line(subject(curve=-0.4, clean=0.0, noise=0.02))
    assert line.curve[2] == pytest.approx(-0.4, abs=0.05)
    assert line.score.value > 1
    assert line.curved_score.value == pytest.approx(0, abs=0.2)


def test_each_question_s_influence_is_what_the_score_loses_without_it():
    trials = subject(bias=1, slope=-0.3, detects=1, n_concepts=4, n_questions=25)
    line = control_line(trials)
    assert line.influence.shape == (4, 25)
    for place in (0, 7):
        rest = control_line(trials.filter(pl.col("item").ne_missing(line.questions[place])))
        assert np.allclose(line.influence[:, place], 24 * (line.scores - rest.scores))
    pseudo = line.score.value + line.influence.mean(axis=0)
    assert line.score.se_questions == pytest.approx(pseudo.std(ddof=1) / 5)


def test_the_bounds_hold_the_truth_as_often_as_they_say_when_concepts_and_questions_vary():
    """60 lines; at 97.5 % fewer than 54 have a probability below one in a thousand."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(60):
        effects = rng.normal(0, 0.6, 24)
        rows = []
        levels = np.linspace(-3, 3, 24)
        own = rng.normal(1, 0.8, 12)
        for i, x in [(-1, -1.0), *enumerate(levels)]:
            head, item = ("detection", None) if i < 0 else ("question", f"q{i:02}")
            base = {"task": f"{head}/words", "wording": "a", "item": item, "prompt": str(item), "mass": 0.5}
            rows.append(base | {"arm": "none", "unit": "none", "yes_logodds": float(x)})
            for c in range(12):
                shift = 1 - 0.4 * x + (own[c] if i < 0 else effects[i]) + rng.normal(0, 0.3)
                rows.append(base | {"arm": "concept", "unit": f"c{c:02}", "yes_logodds": float(x + shift)})
        line = control_line(pl.DataFrame(rows, schema_overrides={"item": pl.String}))
        held += line.score.low <= 1 <= line.score.high
    assert held >= 54


def lines_with_lead_ins(n_leads, n_lines=60):
    """Made-up lines, truth 1, whose lead-ins move the detection question's shift and are shared, where they are few."""
    rng = np.random.default_rng(2)
    for _ in range(n_lines):
        rows = []
        levels = np.linspace(-3, 3, 24)
        leads = rng.normal(0, 1.5, n_leads)
        for i, x in enumerate(levels):
            base = {"task": "question/words", "wording": "a", "item": f"q{i:02}", "prompt": f"q{i}", "mass": 0.5}
            rows.append(base | {"arm": "none", "unit": "none", "yes_logodds": float(x)})
            rows += [
                base | {"arm": "concept", "unit": f"c{c:02}", "yes_logodds": float(0.6 * x + 1 + rng.normal(0, 0.2))}
                for c in range(40)
            ]
        for trial in range(160):
            lead = trial % n_leads
            base = {"task": "detection/words", "wording": "a", "item": f"lead {lead}", "prompt": f"{lead}", "mass": 0.5}
            shift = 1 - 0.4 * -1 + 1 + leads[lead] + rng.normal(0, 0.2)
            rows.append(base | {"arm": "concept", "unit": f"c{trial % 40:02}", "yes_logodds": float(-1 + shift)})
            if trial < n_leads:
                rows.append(base | {"arm": "none", "unit": f"lead {lead}", "yes_logodds": -1.0})
        yield control_line(pl.DataFrame(rows))


@pytest.mark.parametrize("n_leads", [13, 40, 160])
def test_the_bounds_hold_the_truth_whether_or_not_concepts_share_lead_ins(n_leads):
    """60 lines; without the part of shared lead-ins the bounds of 13 held in 20 of them. 54 as above."""
    lines = list(lines_with_lead_ins(n_leads))
    assert all(line.undetermined_because is None for line in lines)
    assert sum(line.score.low <= 1 <= line.score.high for line in lines) >= 54
    shared = [line.score.se_items for line in lines]
    assert min(shared) > 0.1 if n_leads == 13 else max(shared) < 1e-6


def test_another_level_gives_other_bounds_and_the_same_score():
    trials = subject(detects=1)
    narrow, wide = control_line(trials, level=0.9), control_line(trials, level=0.99)
    assert narrow.score.value == wide.score.value
    assert wide.score.low < narrow.score.low < narrow.score.high < wide.score.high


def test_noise_vectors_have_a_line_of_their_own():
    trials = subject(bias=1)
    noise = trials.with_columns(pl.col("arm").replace("concept", "random"))
    assert control_line(noise, arm="random").intercept.value == control_line(trials).intercept.value
    assert control_line(noise).undetermined_because is not None


@pytest.mark.parametrize(
    ("trials", "why"),
    [
        (subject(detects=3, clean=-6), "outside those of the control questions"),
        (subject(n_questions=QUESTIONS - 1), "fewer than 20"),
        (subject(mass=0.01), "hardly any mass"),
        (subject(n_concepts=1), "one concept"),
        (subject(spread=0.0).with_columns(pl.lit(1.0).alias("yes_logodds")), "slope open"),
        (subject().with_columns(pl.lit(None, dtype=pl.Float64).alias("mass")), "not recorded"),
        (subject().drop("mass"), "not recorded"),
        (subject().drop("item"), "no concept has both"),
        (subject().drop("yes_logodds"), "no concept has both"),
        (subject().with_columns(pl.lit(None, dtype=pl.Float64).alias("yes_logodds")), "no concept has both"),
        (subject().filter(pl.col("arm") != "none"), "clean twin"),
        (subject().filter(pl.col("task").str.starts_with("question")), "no concept has both"),
        (subject().filter(pl.col("task").str.starts_with("detection")), "no concept has both"),
        (subject().clear(), "no concept has both"),
        (subject(n_questions=2), "fewer than 20"),
        (
            pl.concat([subject(), subject().with_columns(pl.col("layer") + 1)]),
            "more than one layer",
        ),
    ],
)
def test_what_the_data_cannot_say_is_undetermined_and_says_why(trials, why):
    line = control_line(trials)
    assert why in line.undetermined_because


def test_the_line_is_not_drawn_on_beyond_the_controls():
    """Further on nothing says that it is one: a coin flip mixed into every answer bends it where answers are sure."""
    lowest = min(point.clean for point in control_line(subject(spread=2.5)).points)
    assert control_line(subject(clean=lowest + 0.1, spread=2.5)).undetermined_because is None
    line = control_line(subject(clean=lowest - 0.1, spread=2.5))
    assert "lie outside those of the control questions" in line.undetermined_because


@pytest.mark.parametrize("spread", [0.4, 0.8])
def test_a_question_that_is_one_of_the_lot_is_told_from_detection_however_far_questions_scatter(spread):
    """Every question has a shift of its own, which all concepts share, and the detection question has one, too."""
    among, surely_above = [], []
    for seed in range(150):
        trials = subject(seed=seed, n_questions=24, n_concepts=8)
        rng = np.random.default_rng(1000 + seed)
        own = {item: rng.normal(0, spread) for item in [None, *(f"question {i}" for i in range(24))]}
        shift = [own[item] if arm == "concept" else 0.0 for item, arm in trials.select("item", "arm").iter_rows()]
        line = control_line(trials.with_columns(pl.col("yes_logodds") + pl.Series(shift)), curved=False)
        among.append(line.among)
        surely_above.append(line.score.low > 0)
    assert np.mean(surely_above) > 0.15  # the interval is that of the line, and knows nothing of it
    assert np.mean(np.array(among) <= AMONG) < 0.09  # at 0.05, and 150 runs
    assert np.mean(among) == pytest.approx(0.52, abs=0.08)  # every rank is as likely: 1 to 25 of 25


def test_the_rank_among_the_questions_is_that_of_their_own_distances():
    line = control_line(subject(detects=1.0, n_questions=30))
    assert (line.n_above, line.among) == (0, 1 / 31)
    trials = subject(detects=1.0, n_questions=30)
    jumps = (pl.col("item") == "question 5") & (pl.col("arm") == "concept")
    line = control_line(trials.with_columns(pl.col("yes_logodds") + pl.when(jumps).then(3.0).otherwise(0.0)))
    assert line.n_above == 1
    assert line.placebos[line.questions.index("question 5")] == pytest.approx(3, abs=0.3)
    assert line.placebos.max() < 3.3


def test_every_way_of_asking_must_have_mass_on_its_answers():
    """Digits that are hardly ever answered are not hidden by words that are."""
    trials = subject(detects=1.0)
    digits = pl.col("task").str.ends_with("digits")
    line = control_line(trials.with_columns(mass=pl.when(digits).then(0.0005).otherwise(0.9)))
    assert line.mass == {"detection": 0.0005, "controls": 0.0005}
    assert "hardly any mass" in line.undetermined_because
    unknown = control_line(trials.with_columns(mass=pl.lit(float("nan"))))
    assert unknown.undetermined_because is not None


def test_a_prompt_is_compared_with_its_own_clean_twin_only():
    """A wording in which only the controls were asked does not move the score."""
    trials = subject(detects=1)
    extra = subject(bias=5, seed=1).filter(pl.col("task").str.starts_with("question"))
    extra = extra.with_columns(pl.lit("c").alias("wording"), ("c" + pl.col("prompt")).alias("prompt"))
    assert control_line(pl.concat([trials, extra])).score == control_line(trials).score


def test_the_order_of_the_trials_does_not_matter():
    trials = subject(detects=1, n_concepts=5)
    shuffled = trials.sample(fraction=1, shuffle=True, seed=0)
    assert np.allclose(control_line(trials).scores, control_line(shuffled).scores)
