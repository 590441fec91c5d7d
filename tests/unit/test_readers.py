"""Readers that know what was injected: each finds it in made-up activations where it is, and only by what it knows."""

import pytest
import torch

from introspect.records import TrialSpec, VectorRef
from introspect.studies.readers import Trials, _nearest, _told, less_clean, probed

NAMES = ("bread", "dust", "salt")
D = 24


SPEC = TrialSpec(
    protocol="injected_thought", subject="made up", dtype="float32", arm="none", task="report", wording="a",
    wording_hash="0", vector=None, vectors_hash="0", layer=None, strength=None, span="trial", where="both", sample=0,
    max_new_tokens=1, temperature=0.0,
)  # fmt: skip


def spec(wording, concept, number=0):
    changes = {"wording": wording, "sample": number}
    if concept:
        vector = VectorRef(family="concept", concept=concept)
        changes |= {"arm": "concept", "concept": concept, "vector": vector, "layer": 1, "strength": 1.0}
    return SPEC.model_copy(update=changes)


@pytest.fixture(scope="module")
def made():
    """Two wordings, each with a level of its own, three concepts and three clean trials in both."""
    rng = torch.Generator().manual_seed(0)
    vectors = torch.randn(3, D, generator=rng)
    level = {w: 5 * torch.randn(D, generator=rng) for w in "ab"}
    specs = [spec(w, name) for w in "ab" for name in NAMES] + [spec(w, None, i) for w in "ab" for i in range(3)]
    rows = [
        level[each.wording]
        + (vectors[NAMES.index(each.concept)] if each.concept else 0)
        + 0.1 * torch.randn(D, generator=rng)
        for each in specs
    ]
    return specs, torch.stack(rows), vectors


def named(trials, scores):
    return [row.named for row in _told(trials, "probe", scores) if row.concept]


def test_a_wordings_own_level_is_taken_off_by_the_other_clean_trials(made):
    specs, rows, vectors = made
    less = less_clean(specs, rows)
    assert torch.allclose(less[:3], vectors, atol=0.8)
    clean = [place for place, each in enumerate(specs) if each.concept is None and each.wording == "a"]
    others = rows[clean[1:]].mean(dim=0)
    assert torch.allclose(less[clean[0]], rows[clean[0]] - others, atol=1e-5)
    alone = less_clean(specs[:7], rows[:7])  # one clean trial of a wording is its own level
    assert torch.allclose(alone[6], torch.zeros(D), atol=1e-6)
    assert torch.equal(alone[3:6], rows[3:6])  # and where there is none nothing is taken off


def test_vectors_and_a_probe_fitted_in_other_wordings_find_what_was_injected(made):
    specs, rows, vectors = made
    trials = Trials(specs, NAMES, less_clean(specs, rows))
    right = [each.concept for each in specs if each.concept]
    assert named(trials, _nearest(trials.rows, vectors)) == right
    assert named(trials, probed(trials)) == right


def test_a_probe_is_never_fitted_to_the_wording_that_it_reads(made):
    specs, rows, _ = made
    trials = Trials(specs, NAMES, less_clean(specs, rows))
    turned = trials.rows.clone()
    turned[:3] = trials.rows[[1, 2, 0]]  # in wording a each concept has the next one's vector
    scores = probed(Trials(specs, NAMES, turned))
    assert named(Trials(specs, NAMES, turned), scores)[:3] == ["dust", "salt", "bread"]
    only = [place for place, each in enumerate(specs) if each.wording == "a"]
    one = Trials([specs[place] for place in only], NAMES, trials.rows[only])
    assert probed(one).isnan().all()
    assert not list(_told(one, "probe", probed(one)))
