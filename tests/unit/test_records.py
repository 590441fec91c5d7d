"""A trial is data: what is on disk names itself, refuses what does not belong, and reads back equal."""

import hashlib
import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from introspect.records import (
    CLEAN,
    RUNTIME_FIELDS,
    SCHEMA_VERSION,
    Also,
    Audit,
    Candidate,
    Claim,
    Evidence,
    Plan,
    Prompt,
    Rules,
    Scores,
    Study,
    SubjectIdentity,
    Trial,
    TrialSpec,
    VectorRef,
    canonical_json,
    digest,
)

BREAD = VectorRef(family="concept", concept="bread")
SPEC = {
    "protocol": "injected_thought", "subject": "f" * 32, "dtype": "float32", "arm": "concept", "task": "report",
    "wording": "plain", "wording_hash": "w", "fill": {"lead": "Go on."}, "options": ("A", "B"), "truth": "A",
    "concept": "bread", "vector": BREAD, "vectors_hash": "v", "layer": 3, "strength": 4.0, "span": "trial",
    "where": "both", "sample": 0, "max_new_tokens": 60, "temperature": 1.0,
}  # fmt: skip
OTHER_SPEC = {
    "protocol": "prefill", "subject": "e" * 32, "dtype": "bfloat16", "arm": "random", "task": "choice",
    "wording": "brief", "wording_hash": "x", "info": "accurate", "fill": {"lead": "Go off."}, "options": ("B", "A"),
    "truth": None, "concept": "dust", "vector": VectorRef(family="concept", concept="dust"), "vectors_hash": "u",
    "match": "effect", "layer": 4, "strength": 4.5, "span": "question", "where": "cache",
    "also": (Also(span="line_b", strength=0.5),), "sample": 1, "max_new_tokens": 61, "temperature": 0.0,
    "said": "Yes.", "follows": "k" * 32,
}  # fmt: skip
PLAN = {"name": "small", "layers": (1, 2), "strengths": (1.0, 2.0)}
OTHER_PLAN = {
    "name": "large", "question": "Why?", "protocol": "prefill", "subject": "gpt2", "adapter": "lora", "revision": "r1",
    "dtype": "float16", "trust_remote_code": True, "backend": "nnsight", "format": "transcript",
    "vectors": "theirs.safetensors", "arms": ("concept", "none"), "tasks": ("report",), "layers": (1, 3),
    "strengths": (1.0, 3.0), "concepts": ("dust",), "n_concepts": 3, "baseline": "words.csv", "method": "pair_pca",
    "stimuli": "mine.toml", "wordings": ("brief",), "span": "question", "where": "cache", "info": ("none", "neutral"),
    "match": "effect", "n_options": 4, "n_items": 7, "questions": "facts.csv", "samples": 2, "none_samples": 7,
    "max_new_tokens": 5, "temperature": 0.5, "seed": 9, "only": ("bread",), "side": "report", "salt": "another",
}  # fmt: skip
AUDIT = {
    "layer": 3, "prompt_spans": ((2, 4),), "planned_prompt": 2, "planned_generated": 1, "edited_prompt": 2,
    "edited_generated": 1, "vector_norm": 1.0, "delta_norm": 4.0, "residual_norm": 8.0, "relative_strength": 0.5,
}  # fmt: skip
IDENTITY = {
    "name": "toy", "fingerprint": "f", "format": "chat", "dtype": "float32", "n_layers": 4, "d_model": 8,
}  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def make_spec(**changes):
    return TrialSpec(**(SPEC | changes))


def make_trial(reply, **changes):
    spec = make_spec()
    fields = {"key": spec.key, "spec": spec, "prompt": "p", "reply": reply, "reply_tokens": (1, 2), "finish": "stop",
              "audits": (Audit(**AUDIT),)}  # fmt: skip
    return Trial(**(fields | changes))


@pytest.mark.parametrize("field", TrialSpec.model_fields)
def test_the_key_changes_with_every_field_of_the_trial(field):
    assert make_spec(**{field: OTHER_SPEC[field]}).key != make_spec().key


@pytest.mark.parametrize(
    "other",
    [
        VectorRef(family="random", concept="bread"),
        VectorRef(family="concept", concept="dust"),
        VectorRef(family="concept", concept="bread", draw=1),
        VectorRef(family="concept", concept="bread", other="dust"),
        None,
    ],
)
def test_the_key_changes_with_every_part_of_the_vector(other):
    assert make_spec(vector=other).key != make_spec().key


def test_a_changed_copy_has_a_key_and_a_seed_of_its_own_also_where_the_first_key_was_asked_for():
    spec = TrialSpec(**SPEC)
    old = (spec.key, spec.seed)
    other = spec.model_copy(update={"sample": 1})
    assert (other.key, other.seed) == (TrialSpec(**SPEC | {"sample": 1}).key, TrialSpec(**SPEC | {"sample": 1}).seed)
    assert (spec.key, spec.seed) == old
    assert other.model_copy(update={"sample": 0}) == spec
    assert spec.model_dump() == TrialSpec(**SPEC).model_dump()


def test_the_key_of_a_trial_stays_what_stored_runs_know_it_by():
    assert SCHEMA_VERSION == 3  # another key means another version of the format
    assert make_spec().key == "a9b9461ad6307ec3b1c10608dc0a6a76"
    assert make_spec().seed == 3_667_562_964_209_584_016


def test_the_key_does_not_depend_on_the_order_in_which_slots_are_filled():
    one, other = ({"lead": "Go on.", "word": "dust"}, {"word": "dust", "lead": "Go on."})
    assert make_spec(fill=one).key == make_spec(fill=other).key
    assert make_spec(options=("A", "B")).key != make_spec(options=("B", "A")).key


def test_a_whole_number_and_its_float_are_one_strength():
    assert make_spec(strength=4).key == make_spec(strength=4.0).key


def test_the_seed_is_a_function_of_the_key_alone():
    spec = make_spec(sample=17)
    again = TrialSpec.model_validate_json(spec.model_dump_json())
    by_hand = hashlib.blake2b(spec.key.encode(), digest_size=8, person=b"seed").digest()
    assert again.seed == spec.seed == int.from_bytes(by_hand, "big")


def test_neighbouring_samples_have_unrelated_seeds():
    seeds = [make_spec(sample=sample).seed for sample in range(500)]
    assert len(set(seeds)) == 500
    assert max(seeds).bit_length() == 64
    flipped = [(a ^ b).bit_count() for a, b in pairwise(seeds)]
    assert sum(flipped) / len(flipped) == pytest.approx(32, abs=1)


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": [2, 3]}) == digest({"b": [2, 3], "a": 1})
    assert digest([2, 3]) != digest([3, 2])
    assert len(digest({})) == 32


@settings(deadline=None)
@given(JSON)
def test_the_spelling_that_is_hashed_loses_nothing(value):
    assert json.loads(canonical_json(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")]])
def test_what_is_not_a_number_has_no_hash(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest(value)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Plan, PLAN),
        (TrialSpec, SPEC),
        (VectorRef, {"family": "concept", "concept": "bread"}),
        (Audit, AUDIT),
        (SubjectIdentity, IDENTITY),
        (Prompt, {"id": "p", "text": "", "format": "chat", "offsets": ()}),
        (Scores, {"logprobs": (-1.0,), "mass": 0.5}),
        (Also, {"span": "line_a", "strength": 0.5}),
        (Evidence, {"rule": "r", "start": 0, "stop": 1, "text": "t"}),
        (Claim, {"grader": "g", "noticed": "yes", "coherent": True}),
        (Rules, {"choose": "choose"}),
        (Candidate, {"layer": 1, "strength": 2.0, "score": 0.5, "n": 4}),
        (
            Study,
            {
                "salt": "s",
                "schema_version": 3,
                "rules": Rules(),
                "sides": {"bread": "report"},
                "experiments": ("choose",),
            },
        ),
    ],
)
def test_a_record_refuses_a_field_it_does_not_know_and_cannot_be_changed(kind, fields):
    record = kind(**fields)
    assert kind.model_validate_json(record.model_dump_json()) == record
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        kind(**fields, strenght=1)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(record, next(iter(fields)), "other")


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), -float("inf"), -1.0, -1e-9])
def test_a_plan_refuses_a_strength_that_is_no_finite_number_of_at_least_zero(strength):
    with pytest.raises(ValidationError, match=r"finite number|is negative"):
        Plan(name="p", layers=(1,), strengths=(1.0, strength))


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), -float("inf")])
def test_a_trial_refuses_a_strength_that_is_not_finite(strength):
    with pytest.raises(ValidationError, match="finite number"):
        make_spec(strength=strength)


def test_strength_zero_is_a_strength():
    assert Plan(name="p", layers=(1,), strengths=(0.0,)).strengths == (0.0,)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"depths": (0.5,)}, "either layers .* or depths .*not both"),
        ({"layers": ()}, "the grid is empty: layers has no value"),
        ({"layers": None, "depths": ()}, "the grid is empty: depths has no value"),
        ({"strengths": ()}, "the grid is empty: strengths has no value"),
        ({"arms": ()}, "the grid is empty: arms has no value"),
        ({"info": ()}, "the grid is empty: info has no value"),
        ({"concepts": ()}, "the grid is empty: concepts has no value"),
        ({"only": ()}, "the grid is empty: only has no value"),
        ({"only": ("bread", "bread")}, "only names a value twice: bread, bread"),
        ({"side": "left"}, "'development' or 'report'"),
        ({"layers": (2, 1, 2)}, "layers names a value twice: 2, 1, 2"),
        ({"layers": None, "depths": (0.5, 0.5)}, "depths names a value twice"),
        ({"strengths": (1, 1.0)}, "strengths names a value twice"),
        ({"arms": ("none", "none")}, "arms names a value twice"),
        ({"tasks": ("report", "report")}, "tasks names a value twice"),
        ({"info": ("none", "none")}, "info names a value twice"),
        ({"info": ("accurate", "true")}, "'none', 'accurate' or 'neutral'"),
        ({"match": "size"}, "'norm' or 'effect'"),
        ({"where": "reply"}, "'prompt', 'generated', 'both' or 'cache'"),
        ({"n_options": 1}, "greater than or equal to 2"),
        ({"n_options": 27}, "less than or equal to 26"),
        ({"n_items": 0}, "greater than or equal to 1"),
        ({"layers": None, "depths": (0.5, 1.01)}, "depth 1.01 is not a fraction from 0 to 1"),
        ({"layers": None, "depths": (-0.1,)}, "depth -0.1 is not a fraction from 0 to 1"),
        ({"samples": 0}, "greater than or equal to 1"),
        ({"none_samples": 0}, "greater than or equal to 1"),
        ({"max_new_tokens": 0}, "greater than or equal to 1"),
        ({"n_concepts": 0}, "greater than or equal to 1"),
        ({"temperature": -0.1}, "greater than or equal to 0"),
        ({"seed": -1}, "greater than or equal to 0"),
    ],
)
def test_a_plan_that_would_run_nothing_or_the_same_twice_is_refused(change, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Plan(**(PLAN | change))


def test_the_ends_of_the_model_are_depths():
    assert Plan(name="p", depths=(0, 1)).depths == (0.0, 1.0)


def test_what_a_plan_leaves_open_is_the_protocol_s_own():
    plan = Plan(name="p")
    assert {plan.arms, plan.span, plan.where, plan.max_new_tokens, plan.layers, plan.depths} == {None}
    assert (plan.tasks, plan.info, plan.match) == ((), ("none",), "norm")


@pytest.mark.parametrize("change", [{"device": "cuda:1"}, {"device_map": "auto"}, {"batch_size": 7}])
def test_where_a_plan_runs_is_not_part_of_what_it_is(change):
    assert set(change) <= RUNTIME_FIELDS
    assert Plan(**(PLAN | change)).identity() == Plan(**PLAN).identity()


def test_a_plan_from_before_there_were_backends_keeps_its_identity():
    assert "backend" not in Plan(**PLAN).identity()
    assert Plan(**PLAN, backend="hf").identity() == Plan(**PLAN).identity()


@pytest.mark.parametrize("field", [field for field in Plan.model_fields if field not in RUNTIME_FIELDS])
def test_everything_else_in_a_plan_is_part_of_what_it_is(field):
    change = {"layers": None, "depths": (0.5,)} if field == "depths" else {field: OTHER_PLAN[field]}
    assert Plan(**(PLAN | change)).identity() != Plan(**PLAN).identity()


@pytest.mark.parametrize(
    "change",
    [{"rate": 0}, {"rate": 1}, {"logodds": 0}, {"level": 0.5}, {"level": 1}, {"neighbours": 0}, {"choose_by": "luck"}],
)
def test_rules_under_which_nothing_could_be_decided_are_refused(change):
    with pytest.raises(ValidationError):
        Rules(**change)


def test_the_rules_of_the_project_are_written_down_here():
    rules = Rules()
    assert (rules.choose_by, rules.rate, rules.logodds, rules.level) == ("success", 0.10, 0.5, 0.975)


def test_a_trial_under_a_foreign_key_is_refused():
    trial = make_trial("Yes.")
    forged = trial.model_dump(mode="json") | {"key": make_spec(sample=1).key}
    with pytest.raises(ValidationError, match="does not belong to its spec"):
        Trial.model_validate(forged)


def test_a_trial_s_audit_is_its_first_one_and_a_clean_trial_s_says_that_nothing_was_added():
    first, second = Audit(**AUDIT), Audit(**(AUDIT | {"layer": 4}))
    assert make_trial("Yes.", audits=(first, second)).audit == first
    clean = make_trial("No.", audits=()).audit
    assert clean == CLEAN
    assert (clean.layer, clean.edited_prompt, clean.edited_generated, clean.delta_norm) == (None, 0, 0, 0.0)


def test_what_was_read_off_a_pass_survives_the_disk():
    scores = Scores(logprobs=(-0.5, -3.25), mass=0.65, ranks=(7, 1), positions=(3, 4), curves={"cosine": (0.1, -0.2)})
    trial = make_trial("", reply_tokens=(), finish="scored", scores=scores, scale=1.3)
    assert Trial.model_validate_json(trial.model_dump_json()) == trial
    with pytest.raises(ValidationError, match="finite number"):
        Scores(logprobs=(float("-inf"),))


@settings(deadline=None)
@given(st.text())
def test_any_reply_survives_the_disk_on_one_line(reply):
    trial = make_trial(reply)
    line = trial.model_dump_json().encode()
    assert line.splitlines() == [line]
    assert Trial.model_validate_json(line) == trial
