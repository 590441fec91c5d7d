"""The split: the same in every run, about even, and nothing of one side is ever drawn on the other."""

from hypothesis import given, settings
from hypothesis import strategies as st

from introspect.records import SALT
from introspect.split import draw_on_side, on_side, side_of, split_groups

SIDES = ("development", "report")
TEXTS = st.text(max_size=30)
SALTS = st.sampled_from((SALT, "another", ""))


def test_the_side_of_an_item_is_written_down_here_and_may_never_change():
    assert [side_of(item, "lead") for item in ("Let us go on.", "The rest is simple.")] == ["report", "development"]
    assert [side_of(str(number), "draw") for number in range(6)] == [
        "report", "development", "report", "report", "report", "development",
    ]  # fmt: skip
    assert side_of("bread", "concept", "another") == "report"


@settings(deadline=None)
@given(texts=st.lists(TEXTS), kind=st.sampled_from(("lead", "question")), salt=SALTS)
def test_every_item_is_on_one_side_and_keeps_its_place(texts, kind, salt):
    first, second = (on_side(texts, kind, side, salt) for side in SIDES)
    assert sorted(first + second) == sorted(texts)
    assert not set(first) & set(second)
    assert first == [text for text in texts if text in set(first)]
    assert on_side(texts, kind, None, salt) == texts
    assert on_side([*texts, "one more"], kind, "report", salt)[: len(second)] == second


@settings(deadline=None, max_examples=30)
@given(salt=st.text(max_size=8), kind=st.sampled_from(("lead", "question", "draw", "concept")))
def test_about_half_of_the_items_are_on_either_side_whatever_the_salt(salt, kind):
    items = [f"item {number}" for number in range(400)]
    assert 125 < len(on_side(items, kind, "report", salt)) < 275  # 7.5 standard deviations


def test_equal_texts_of_two_kinds_and_of_two_salts_are_independent():
    items = [f"item {number}" for number in range(400)]
    here = [side_of(item, "lead") for item in items]
    for there in ([side_of(item, "note") for item in items], [side_of(item, "lead", "another") for item in items]):
        assert 125 < sum(one == other for one, other in zip(here, there, strict=True)) < 275


@settings(deadline=None)
@given(draws=st.lists(st.integers(0, 60), min_size=1, max_size=8, unique=True), salt=SALTS)
def test_no_noise_is_drawn_on_both_sides_and_every_draw_of_a_side_is_another_one(draws, salt):
    found = {side: {draw_on_side(draw, side, salt) for draw in draws} for side in SIDES}
    assert not found["development"] & found["report"]
    for side, numbers in found.items():
        assert len(numbers) == len(draws)
        assert {side_of(str(number), "draw", salt) for number in numbers} == {side}
    assert [draw_on_side(draw, None, salt) for draw in draws] == draws


@settings(deadline=None)
@given(draws=st.lists(st.integers(0, 60), min_size=1, max_size=8, unique=True), side=st.sampled_from([None, *SIDES]))
def test_another_seed_of_trials_draws_other_noise(draws, side):
    by_seed = [{draw_on_side(draw, side, seed=seed) for draw in draws} for seed in (0, 1, 217)]
    assert len(set.union(*by_seed)) == 3 * len(draws)
    assert {side_of(str(number), "draw") for number in set.union(*by_seed)} <= {side} if side else True


@settings(deadline=None)
@given(
    members=st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=20, unique=True),
    cuts=st.lists(st.integers(1, 5), max_size=8),
    salt=SALTS,
)
def test_near_neighbours_stay_together_however_their_group_is_written(members, cuts, salt):
    groups, rest = [], list(members)
    for cut in [*cuts, len(members)]:
        groups, rest = [*groups, rest[:cut]], rest[cut:]
    groups = [group for group in groups if group]
    sides = split_groups(groups, salt)
    assert set(sides) == set(members)
    for group in groups:
        assert len({sides[name] for name in group}) == 1
    assert split_groups([group[::-1] for group in groups[::-1]], salt) == sides
