"""Spans are absolute positions of a row's own text; padding has none."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from introspect.errors import SpanError
from introspect.injection import add
from introspect.spans import PADDING, Span, span_bounds, span_mask


@st.composite
def rows(draw):
    """Arguments of a few spans with arbitrary prompt ranges, and the positions that a batch might hold.

    The spans are built by the test: run-time type checks draw random numbers, which no strategy may do.
    """
    spans = []
    for _ in range(draw(st.integers(1, 4))):
        n = draw(st.integers(2, 12))
        edges = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(1, n)), max_size=3))
        spans.append((tuple((a, b) for a, b in edges if a < b), draw(st.booleans()), n))
    n_columns = draw(st.integers(1, 20))
    positions = [draw(st.lists(st.integers(-1, 16), min_size=n_columns, max_size=n_columns)) for _ in spans]
    return spans, positions


@given(rows())
@settings(deadline=None)
def test_a_position_is_edited_exactly_where_its_own_rows_span_says(batch):
    spans, positions = [Span(*arguments) for arguments in batch[0]], batch[1]
    mask = span_mask(torch.tensor(positions), span_bounds(spans))
    for row, span in enumerate(spans):
        inside = {i for start, stop in span.prompt for i in range(start, stop)}
        inside |= set(range(span.prompt_length, 100)) if span.generated else set()
        assert mask[row].tolist() == [position in inside for position in positions[row]]


@pytest.mark.parametrize("where", ["prompt", "generated", "both", "cache"])
def test_padding_is_in_no_span(where):
    span = Span.of(where, ((0, 3),), 5)
    assert not span_mask(torch.tensor([[PADDING] * 4]), span_bounds([span])).any()


@pytest.mark.parametrize(
    ("where", "positions"), [("prompt", [1, 2]), ("generated", [5, 6, 7]), ("both", [1, 2, 5, 6, 7])]
)
def test_a_mode_names_the_marked_tokens_the_generated_ones_or_both(where, positions):
    span = Span.of(where, ((1, 3),), 5)
    mask = span_mask(torch.arange(8)[None], span_bounds([span]))
    assert mask[0].nonzero().flatten().tolist() == positions
    assert span.n_prompt == (0 if where == "generated" else 2)


@pytest.mark.parametrize(
    ("marked", "kept"),
    [
        (((1, 3),), ((1, 3),)),
        (((1, 5),), ((1, 4),)),
        (((3, 4),), ((3, 4),)),
        (((0, 2), (3, 5)), ((0, 2), (3, 4))),
        (((0, 2), (4, 5)), ((0, 2),)),
    ],
)
def test_cache_leaves_out_the_last_prompt_token_and_all_that_is_generated(marked, kept):
    span = Span.of("cache", marked, 5)
    assert span == Span(kept, generated=False, prompt_length=5)
    assert not span_mask(torch.tensor([[4, 5, 6, 1000]]), span_bounds([span])).any()


def test_cache_is_refused_where_nothing_is_left_of_the_span():
    with pytest.raises(SpanError) as refusal:
        Span.of("cache", ((4, 5),), 5)
    assert str(refusal.value) == (
        "nothing is left of the span [4, 5) for 'cache', which leaves out the prompt's last token (4); "
        "mark an earlier one, or take 'prompt'"
    )
    with pytest.raises(SpanError, match="nothing is left of the span without ranges for 'cache'"):
        Span.of("cache", (), 5)
    with pytest.raises(SpanError, match=r"the span \[3, 6\) is empty or outside the prompt of 5 tokens"):
        Span.of("cache", ((3, 6),), 5)


def test_generated_positions_have_no_end():
    span = Span.of("generated", (), 5)
    assert span_mask(torch.tensor([[4, 5, 131_072]]), span_bounds([span])).tolist() == [[False, True, True]]


def test_several_ranges_leave_out_what_lies_between_them():
    span = Span(((0, 2), (4, 5)), generated=False, prompt_length=6)
    assert span.n_prompt == 3
    assert span_mask(torch.arange(6)[None], span_bounds([span])).tolist() == [[True, True, False, False, True, False]]


def test_rows_with_fewer_ranges_are_filled_up_with_empty_ones():
    spans = [Span((), generated=False, prompt_length=4), Span(((1, 2),), generated=True, prompt_length=4)]
    assert span_bounds(spans).shape == (2, 2, 2)
    mask = span_mask(torch.arange(6).repeat(2, 1), span_bounds(spans))
    assert mask.tolist() == [[False] * 6, [False, True, False, False, True, True]]
    assert span_bounds([]).shape == (0, 0, 2)


@pytest.mark.parametrize("bad", [(2, 2), (3, 1), (-1, 2), (3, 6)])
def test_an_empty_or_outlying_range_is_refused(bad):
    with pytest.raises(SpanError) as refusal:
        Span((bad,), generated=False, prompt_length=5)
    assert str(refusal.value) == f"the span [{bad[0]}, {bad[1]}) is empty or outside the prompt of 5 tokens"


def test_a_range_may_reach_to_the_end_of_the_prompt():
    assert Span(((0, 5),), generated=False, prompt_length=5).n_prompt == 5


def test_adding_copies_the_stream_and_leaves_positions_outside_the_mask_bitwise_alone():
    generator = torch.Generator().manual_seed(0)
    residual = torch.randn(2, 3, 4, generator=generator)
    residual[0, 0, 0] = -0.0
    kept, delta = residual.clone(), torch.randn(2, 4, generator=generator)
    delta[1, 0] = torch.inf  # nothing of a masked-out delta may leak, not even as 0 * inf
    mask = torch.tensor([[False, True, False], [False, False, False]])
    out = add(residual, delta, mask)
    assert torch.equal(residual.view(torch.int32), kept.view(torch.int32))
    expected = kept.clone()
    expected[0, 1] += delta[0]
    assert torch.equal(out.view(torch.int32), expected.view(torch.int32))


def test_adding_keeps_the_dtype_of_the_residual_stream():
    residual = torch.ones(1, 2, 3, dtype=torch.bfloat16)
    out = add(residual, torch.full((1, 3), 0.5), torch.tensor([[True, False]]))
    assert out.dtype == torch.bfloat16
    assert out[0].tolist() == [[1.5] * 3, [1.0] * 3]
