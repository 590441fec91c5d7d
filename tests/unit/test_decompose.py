"""A concept vector is taken apart into features, and the share says what they leave out."""

import polars as pl
import pytest
import torch
from sae_files import N_FEATURES, WIDTH, write_sae

from introspect.analysis.features import FEATURES, predictive
from introspect.errors import ShapeError, StimulusError
from introspect.plots.features import features
from introspect.vectors.decompose import decompose
from introspect.vectors.sae import load_dictionary
from introspect.vectors.vector import ConceptVector


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory):
    return load_dictionary(str(write_sae(tmp_path_factory.mktemp("sae") / "small")))


def vector(direction, layer: int = 2) -> ConceptVector:
    return ConceptVector("bread", direction, layer, "f" * 32, "word")


def test_a_sum_of_two_rows_is_found_and_wholly_explained_by_them(dictionary):
    direction = 3 * dictionary.direction(5) + 2 * dictionary.direction(9)
    found = decompose(vector(direction), dictionary, n=2)
    assert [index for index, _ in found.features] == [5, 9]
    assert found.share == pytest.approx(1, abs=1e-5)
    one = decompose(vector(direction), dictionary, n=1)
    cosine = float(torch.cosine_similarity(direction, dictionary.direction(5), dim=0))
    assert one.features[0][1] == pytest.approx(cosine, abs=1e-5)
    assert one.share == pytest.approx(cosine**2, abs=1e-5)


def test_the_share_is_that_of_the_projection_on_the_rows_that_are_listed(dictionary):
    noise = torch.randn(WIDTH, generator=torch.Generator().manual_seed(0))
    found = decompose(vector(noise), dictionary, n=3)
    rows = dictionary.decoder[[index for index, _ in found.features]]
    inside = torch.linalg.pinv(rows) @ (rows @ noise)
    assert found.share == pytest.approx(float(inside.square().sum() / noise.square().sum()), abs=1e-5)
    whole = decompose(vector(noise), dictionary, n=N_FEATURES + 5)  # 47 rows span 32 dimensions
    assert len(whole.features) == N_FEATURES
    assert whole.share == pytest.approx(1, abs=1e-4)


def test_by_encoding_the_features_are_those_whose_activation_rises(dictionary):
    around = torch.randn(WIDTH, generator=torch.Generator().manual_seed(4))
    direction = 5 * dictionary.direction(5)
    found = decompose(vector(direction), dictionary, "encoding", n=4, around=around)
    rise = dictionary.encode(around + direction) - dictionary.encode(around)
    assert [index for index, _ in found.features] == rise.topk(4).indices.tolist()
    assert [value for _, value in found.features] == pytest.approx(rise.topk(4).values.tolist(), abs=1e-5)
    change = dictionary.rebuild(around + direction) - dictionary.rebuild(around)
    left = float((direction - change).square().sum() / direction.square().sum())
    assert found.share == pytest.approx(1 - left, abs=1e-5)


def test_a_vector_of_another_layer_or_width_or_of_zeros_is_refused(dictionary):
    with pytest.raises(StimulusError, match="is of layer 1, and .* reads layer 2"):
        decompose(vector(torch.ones(WIDTH), layer=1), dictionary)
    with pytest.raises(ShapeError, match=r"wanted shape \(32,\), was given \(31,\)"):
        decompose(vector(torch.ones(WIDTH - 1)), dictionary)
    with pytest.raises(StimulusError, match="at layer 2 is zero"):
        decompose(vector(torch.zeros(WIDTH)), dictionary)


def rows(feature, values, reported, plain=0.0):
    return [
        {
            "key": f"{i}",
            "concept": f"c{i % 3}",
            "feature": feature,
            "steered": value,
            "plain": plain,
            "reported": reads,
        }
        for i, (value, reads) in enumerate(zip(values, reported, strict=True))
    ]


REPORTED = (True, True, True, False, False, False, None)


def table():
    telling, still = rows(3, (5.0, 6, 7, 1, 2, 3, 9), REPORTED), rows(8, (1.0,) * 7, REPORTED, plain=1.0)
    return predictive(pl.DataFrame([*still, *telling], schema=FEATURES))


def test_a_feature_that_is_always_higher_in_reports_has_an_area_of_one_and_a_still_one_of_a_half():
    found = {row["feature"]: row for row in table().iter_rows(named=True)}
    assert table()["feature"].to_list() == [3, 8]  # the most changed first
    assert found[3]["auc"] == 1
    assert found[8]["auc"] == 0.5
    assert (found[3]["n"], found[3]["n_reported"], found[3]["n_denied"]) == (7, 3, 3)
    assert found[3]["change"] == pytest.approx(33 / 7)
    assert found[8]["change"] == 0


def test_an_area_has_an_interval_over_concepts_where_replies_overlap():
    overlap = predictive(
        pl.DataFrame(rows(1, (5.0, 6, 1.5, 1, 2, 5.5), (True, True, True, False, False, False)), schema=FEATURES)
    ).row(0, named=True)
    assert 0 < overlap["low"] < overlap["auc"] < overlap["high"] < 1


def test_where_all_replies_read_the_same_there_is_no_area():
    found = predictive(pl.DataFrame(rows(3, (5.0, 6), (True, True)), schema=FEATURES))
    assert found["auc"].to_list() == [None]


def test_the_figure_shows_the_table_s_numbers_and_says_what_they_are():
    figure = features(table(), source="runs/sae", n_features=48)
    shown = {trace.name: list(trace.x) for trace in figure.data if trace.name}
    assert shown == {"no injection": [0.0, 1.0], "concept vector": [pytest.approx(33 / 7), 1.0], "area": [1.0, 0.5]}
    caption = figure.layout.meta["caption"]
    assert "n = 7 trials; the 2 of 48 features of runs/sae" in caption
    assert "3 reported noticing, 3 denied it" in caption


def test_a_figure_without_enough_replies_of_either_kind_draws_no_area_and_says_so():
    few = predictive(pl.DataFrame(rows(3, (5.0, 6, 1), (True, True, False)), schema=FEATURES))
    figure = features(few, source="runs/sae", n_features=48)
    assert [list(trace.x) for trace in figure.data if trace.name == "area"] == [[]]
    assert "With 2 reports and 1 denials there is no area to draw" in figure.layout.meta["caption"]
    assert "there is no feature" in features(few.clear(), source="", n_features=1).layout.annotations[0].text
