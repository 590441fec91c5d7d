"""Controls have the concept vector's norm and miss what makes it that concept's."""

import math
from dataclasses import replace

import pytest
import torch

from introspect.errors import IntrospectError, ShapeError, VectorMismatchError
from introspect.vectors.controls import (
    FAMILIES,
    coordinate_shuffled,
    covariance_matched,
    negated,
    other_concept,
    random_matched,
    swap_row,
    swap_target,
)
from introspect.vectors.vector import ConceptVector

D_MODEL = 64


def concept(name: str = "bread", layer: int = 3, d_model: int = D_MODEL, seed: int = 0) -> ConceptVector:
    noise = torch.randn(d_model, generator=torch.Generator().manual_seed(seed))
    return ConceptVector(name, 5.0 * noise, layer, "a subject", "word", strength=2.0)


def activations(n: int = 40, d_model: int = D_MODEL):
    """Activations off the origin that vary three times as much in the first quarter of the coordinates."""
    scale = torch.ones(d_model)
    scale[: d_model // 4] = 3.0
    return 7.0 + scale * torch.randn(n, d_model, generator=torch.Generator().manual_seed(1))


DRAWN = {
    "random": random_matched,
    "covariance": lambda vector, draw: covariance_matched(vector, activations(d_model=len(vector.direction)), draw),
    "shuffled": coordinate_shuffled,
}
FIXED = {"negated": negated, "other": lambda vector: other_concept(vector, concept("silver", seed=2))}


def unit(vector: ConceptVector):
    return vector.direction.double() / vector.direction.double().norm()


def test_every_family_is_made_here_or_is_an_edit():
    assert set(FAMILIES) == {"concept", *DRAWN, *FIXED, "swap", "amplify"}
    assert FAMILIES[0] == "concept"


@pytest.mark.parametrize("family", [*DRAWN, *FIXED])
def test_a_control_has_the_norm_of_the_concept_vector_and_keeps_its_name_layer_and_strength(family):
    vector = concept()
    made = DRAWN[family](vector, 4) if family in DRAWN else FIXED[family](vector)
    assert made.norm == pytest.approx(vector.norm, rel=1e-5)
    assert (made.concept, made.layer, made.subject, made.strength) == ("bread", 3, "a subject", 2.0)
    assert made.direction.dtype == torch.float32
    assert not torch.equal(made.direction, vector.direction)


@pytest.mark.parametrize("family", DRAWN)
def test_a_draw_is_the_same_every_time_and_at_every_strength_and_another_draw_layer_or_concept_is_not(family):
    made = DRAWN[family](concept(), 1)
    assert torch.equal(made.direction, DRAWN[family](concept() * 9.0, 1).direction)
    others = [concept(), concept(layer=4), concept("silver")]
    for vector, draw in zip(others, (2, 1, 1), strict=True):
        assert not torch.equal(DRAWN[family](vector, draw).direction, made.direction)
    assert made.method == f"{family} draw 1"


@pytest.mark.parametrize(
    ("family", "first"),
    [
        ("random", (-0.2807536, 0.4567602, -0.3783294)),
        ("covariance", (0.7100981, 0.5297557, 0.2981493)),
        ("shuffled", (0.420084, 0.210042, 0.070014)),
    ],
)
def test_a_draw_is_the_same_on_any_machine(family, first):
    line = torch.arange(1.0, 9.0)
    vector = ConceptVector("bread", line / line.norm(), 3, "a subject", "word")
    made = {
        "random": random_matched,
        "covariance": lambda one, draw: covariance_matched(one, torch.stack([line, line.flip(0) ** 2, line % 3]), draw),
        "shuffled": coordinate_shuffled,
    }[family](vector, 2)
    assert made.direction[:3].tolist() == pytest.approx(first, abs=1e-6)


def test_covariance_noise_stays_where_activations_vary():
    rows = activations(n=10)
    centred = (rows - rows.mean(dim=0)).double()
    basis = torch.linalg.svd(centred, full_matrices=False).Vh[:9]
    for draw in range(5):
        made = unit(covariance_matched(concept(), rows, draw))
        assert float((basis @ made).norm()) == pytest.approx(1.0, abs=1e-6)
        isotropic = unit(random_matched(concept(), draw))
        assert float((basis @ isotropic).norm()) < 0.7


def test_covariance_noise_has_the_covariance_of_the_activations():
    rows, vector = activations(n=200, d_model=24), concept(d_model=24)
    wanted = torch.cov(rows.T.double())

    def likeness(make) -> float:
        found = torch.stack([unit(make(draw)) for draw in range(2000)])
        return float(torch.cosine_similarity((found.T @ found).flatten(), wanted.flatten(), dim=0))

    assert likeness(lambda draw: covariance_matched(vector, rows, draw)) > 0.985
    assert likeness(lambda draw: random_matched(vector, draw)) < 0.8


def test_shuffling_keeps_every_coordinate_and_loses_its_place():
    vector = concept()
    made = coordinate_shuffled(vector)
    assert torch.equal(made.direction.sort().values, vector.direction.sort().values)
    assert int((made.direction == vector.direction).sum()) < D_MODEL / 8


@pytest.mark.parametrize("family", DRAWN)
def test_a_drawn_control_resembles_the_concept_no_more_than_chance(family):
    vector, rows = concept(d_model=256), activations(d_model=256).double()
    made = torch.stack([unit(DRAWN[family](vector, draw)) for draw in range(400)])
    measured = float((made @ unit(vector)).square().mean())
    centred = rows - rows.mean(dim=0)
    along = (centred @ unit(vector)).square().sum() / centred.square().sum()
    chance = float(along) if family == "covariance" else 1 / 256
    assert measured == pytest.approx(chance, rel=0.3)
    assert abs(float((made @ unit(vector)).mean())) < 4 * math.sqrt(chance / 400)


def test_the_negated_vector_points_the_other_way_and_another_concepts_its_own_way():
    vector, other = concept(), concept("silver", seed=2) * 3.0
    assert torch.equal(negated(vector).direction, -vector.direction)
    made = other_concept(vector, other)
    torch.testing.assert_close(unit(made), unit(other), atol=1e-6, rtol=0)
    assert made.method == "direction of silver"


def test_a_swap_moves_towards_another_prompts_activation_as_it_was_read():
    rows, vector = activations(n=6), concept()
    chosen = [swap_row(6, vector, draw) for draw in range(6)]
    assert sorted(chosen) == list(range(6))
    assert [swap_row(6, vector * 2.0, draw) for draw in range(8)] == [*chosen, *chosen[:2]]
    orders = {tuple(swap_row(6, concept(layer=layer), draw) for draw in range(6)) for layer in range(5)}
    assert len(orders) > 1
    target = swap_target(rows.bfloat16(), vector, 3)
    assert target.dtype == torch.float32
    assert torch.equal(target, rows.bfloat16().float()[chosen[3]])
    swap_target(rows, vector, 3).zero_()
    assert rows.abs().sum(dim=-1).min() > 0


def test_what_cannot_be_a_control_is_refused():
    vector = concept()
    for rows in (activations(n=1), activations(d_model=8)):
        with pytest.raises(ShapeError, match=r"activations for a control: wanted shape \('2 or more', 64\), was given"):
            covariance_matched(vector, rows)
    with pytest.raises(ShapeError, match=r"wanted shape \('1 or more', 64\), was given \(0, 64\)"):
        swap_target(activations(n=0), vector)
    with pytest.raises(IntrospectError, match=r"\(covariance draw 0\) has no direction: it is zero, or not a number"):
        covariance_matched(vector, torch.ones(5, D_MODEL))
    with pytest.raises(VectorMismatchError):
        other_concept(vector, replace(concept("silver"), subject="another subject"))
    for other in (concept("silver", layer=4), vector):
        with pytest.raises(IntrospectError, match="is no control for 'bread' at layer 3; take another concept at the"):
            other_concept(vector, other)
