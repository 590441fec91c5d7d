"""Sampling inverts the cumulative distribution at the row's own number, and nothing else decides."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from introspect.subjects.engine.sampling import choose, uniforms

N_VOCABULARY = 50


def drawn(seed, rows=1, scale=3.0):
    return torch.from_numpy(np.random.default_rng(seed).normal(scale=scale, size=(rows, N_VOCABULARY))).float()


def softmax(logits, temperature):
    scaled = logits.astype(np.float64) / temperature
    weights = np.exp(scaled - scaled.max())
    return weights / weights.sum()


def inverted(logits, temperature, uniform):
    """The independent answer: walk along the vocabulary until the probability is used up."""
    total = 0.0
    for token, probability in enumerate(softmax(logits.numpy(), temperature)):
        total += probability
        if total > uniform:
            return token
    raise AssertionError


def one(logits, temperature, uniform):
    (token,) = choose(logits[None], torch.tensor([temperature]), torch.tensor([uniform], dtype=torch.float64)).tolist()
    return token


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_the_token_is_where_the_cumulative_distribution_passes_the_uniform_number(temperature):
    logits = drawn(0, rows=200)
    uniform = torch.from_numpy(np.random.default_rng(1).random(200))
    tokens = choose(logits, torch.full((200,), temperature), uniform).tolist()
    expected = [inverted(row, temperature, float(u)) for row, u in zip(logits, uniform, strict=True)]
    assert tokens == expected
    assert len(set(tokens)) > 20


def test_edges_belong_to_the_token_above_them():
    quarters = torch.zeros(4)
    numbers = [0.0, 0.2499, 0.25, 0.4999, 0.5, 0.75, 0.999999, 1 - 2**-53]
    assert [one(quarters, 1.0, uniform) for uniform in numbers] == [0, 0, 1, 1, 2, 3, 3, 3]


def test_temperature_zero_takes_the_largest_logit_whatever_the_uniform_number():
    logits = drawn(2, rows=30)
    uniform = torch.from_numpy(np.random.default_rng(3).random(30))
    assert torch.equal(choose(logits, torch.zeros(30), uniform), logits.argmax(dim=-1))
    assert torch.equal(choose(logits, torch.zeros(30), 1 - uniform), logits.argmax(dim=-1))


@given(
    impossible=st.sets(st.integers(0, 9), min_size=1, max_size=9),
    uniform=st.one_of(st.floats(0, 1, exclude_max=True), st.sampled_from([0.0, 1 - 2**-53])),
    temperature=st.floats(0.05, 5.0),
    seed=st.integers(0, 1000),
)
@settings(deadline=None)
def test_a_token_of_probability_zero_is_never_taken(impossible, uniform, temperature, seed):
    logits = drawn(seed)[0, :10]
    logits[list(impossible)] = -torch.inf
    assert one(logits, temperature, uniform) not in impossible


def test_a_token_whose_probability_underflows_at_the_end_of_the_vocabulary_is_never_taken():
    logits = torch.tensor([0.0, 0.0, -200.0, -torch.inf])
    assert one(logits, 1.0, 1 - 2**-53) == 1
    assert one(logits.flip(0), 1.0, 0.0) == 2


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_tokens_of_many_seeds_are_distributed_as_the_softmax(temperature):
    n = 20_000
    logits = torch.tensor([1.5, -0.5, 0.0, 0.7, -1.0, 2.0, 0.1, -2.0])
    uniform = torch.cat([uniforms(seed, 1) for seed in range(n)])
    tokens = choose(logits.repeat(n, 1), torch.full((n,), temperature), uniform)
    expected = softmax(logits.numpy(), temperature) * n
    chi_square = float(((np.bincount(tokens, minlength=8) - expected) ** 2 / expected).sum())
    assert chi_square < 24.3  # 99.9 % of a chi-square with 7 degrees of freedom


def test_a_row_is_chosen_alone_as_it_is_among_others():
    logits, temperature = drawn(4, rows=40), torch.tensor([0.0, 0.4, 1.0, 3.0] * 10)
    uniform = torch.from_numpy(np.random.default_rng(5).random(40))
    together = choose(logits, temperature, uniform)
    alone = torch.cat([choose(logits[i : i + 1], temperature[i : i + 1], uniform[i : i + 1]) for i in range(40)])
    order = torch.from_numpy(np.random.default_rng(6).permutation(40))
    assert torch.equal(together, alone)
    assert torch.equal(choose(logits[order], temperature[order], uniform[order]), together[order])


def philox(key, n):
    """Philox 4x64 with ten rounds, counters from 1, after Salmon et al. (2011), figure 4; 53 bits to [0, 1)."""
    whole, numbers = 2**64, []
    for counter in range(1, -(-n // 4) + 1):
        x, keys = [counter, 0, 0, 0], [key, 0]
        for _ in range(10):
            left, right = 0xD2E7470EE14C6C93 * x[0], 0xCA5A826395121157 * x[2]
            x = [right // whole ^ x[1] ^ keys[0], right % whole, left // whole ^ x[3] ^ keys[1], left % whole]
            keys = [(keys[0] + 0x9E3779B97F4A7C15) % whole, (keys[1] + 0xBB67AE8584CAA73B) % whole]
        numbers += [(word >> 11) / 2**53 for word in x]
    return numbers[:n]


def test_the_numbers_of_a_trial_are_a_function_of_its_seed_and_step():
    assert torch.equal(uniforms(7, 5), uniforms(7, 9)[:5])
    assert not torch.equal(uniforms(7, 5), uniforms(8, 5))
    assert uniforms(7, 3).dtype == torch.float64
    for seed in (0, 7, 2**64 - 1):
        assert uniforms(seed, 6).tolist() == philox(seed, 6)


def test_seeds_of_64_bits_are_all_different():
    seeds = [0, 1, 2**31, 2**32, 2**63, 2**64 - 1]
    assert len({tuple(uniforms(seed, 2).tolist()) for seed in seeds}) == len(seeds)


def test_the_numbers_of_neighbouring_seeds_are_spread_evenly():
    numbers = torch.stack([uniforms(seed, 4) for seed in range(2000)])
    assert numbers.min() >= 0
    assert numbers.max() < 1
    for step in range(4):
        counts = torch.histc(numbers[:, step].float(), bins=10, min=0, max=1)
        assert float(((counts - 200) ** 2 / 200).sum()) < 27.9  # 99.9 %, 9 degrees of freedom
    assert abs(float(torch.corrcoef(numbers.T)[0, 1])) < 0.08
