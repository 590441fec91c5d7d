"""Sampling takes the best of log-probability plus the row's own Gumbel number, and nothing else decides."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from introspect.subjects.engine.sampling import BLOCK, choose, gumbels, lead, n_numbers

N_VOCABULARY = 600
"""Three blocks, the last one not full."""


def drawn(seed, rows=1, scale=3.0, n=N_VOCABULARY):
    return torch.from_numpy(np.random.default_rng(seed).normal(scale=scale, size=(rows, n))).float()


def numbers_of(seeds, vocabulary=N_VOCABULARY):
    return torch.cat([gumbels(seed, vocabulary) for seed in seeds])


def softmax(logits, temperature):
    scaled = logits.astype(np.float64) / temperature
    weights = np.exp(scaled - scaled.max())
    return weights / weights.sum()


def best(logits, temperature, numbers):
    """The independent answer, in float64: the best block, then the best token in it."""
    probability = softmax(logits.numpy(), temperature)
    blocks = [probability[start : start + BLOCK] for start in range(0, len(probability), BLOCK)]
    numbers = numbers.double().numpy()
    with np.errstate(divide="ignore"):
        block = int(np.argmax([np.log(part.sum()) + g for part, g in zip(blocks, numbers, strict=False)]))
        inside = np.log(blocks[block]) + numbers[len(blocks) :][: len(blocks[block])]
    return block * BLOCK + int(np.argmax(inside))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_the_token_is_the_best_of_the_best_block(temperature):
    logits, numbers = drawn(0, rows=200), numbers_of(range(200))
    tokens = choose(logits, torch.full((200,), temperature), numbers).tolist()
    assert tokens == [best(row, temperature, own) for row, own in zip(logits, numbers, strict=True)]
    assert len(set(tokens)) > 100


def test_temperature_zero_takes_the_largest_logit_whatever_the_numbers():
    logits = drawn(2, rows=30)
    for numbers in (None, numbers_of(range(30)), numbers_of(range(30, 60))):
        assert torch.equal(choose(logits, torch.zeros(30), numbers), logits.argmax(dim=-1))


@given(
    impossible=st.sets(st.integers(0, 9), min_size=1, max_size=9),
    temperature=st.floats(0.05, 5.0),
    seed=st.integers(0, 2**64 - 1),
)
@settings(deadline=None)
def test_a_token_of_probability_zero_is_never_taken(impossible, temperature, seed):
    logits = drawn(seed % 1000)[0, :10]
    logits[list(impossible)] = -torch.inf
    (token,) = choose(logits[None], torch.tensor([temperature]), gumbels(seed, 10)).tolist()
    assert token not in impossible
    assert token < 10


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_tokens_of_many_seeds_are_distributed_as_the_softmax(temperature):
    n, spread = 20_000, torch.full((2 * BLOCK,), -torch.inf)
    places = [0, 1, 100, BLOCK - 1, BLOCK, BLOCK + 7, 2 * BLOCK - 2, 2 * BLOCK - 1]  # four in each of two blocks
    spread[places] = torch.tensor([1.5, -0.5, 0.0, 0.7, -1.0, 2.0, 0.1, -2.0])
    numbers = numbers_of(range(n), 2 * BLOCK)
    tokens = torch.cat(
        [
            choose(spread.repeat(len(part), 1), torch.full((len(part),), temperature), part)
            for part in numbers.split(1000)
        ]
    )
    expected = softmax(spread[places].numpy(), temperature) * n
    counts = np.bincount(tokens, minlength=2 * BLOCK)[places]
    assert counts.sum() == n
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert chi_square < 24.3  # 99.9 % of a chi-square with 7 degrees of freedom


def test_a_row_is_chosen_alone_as_it_is_among_others():
    logits, temperature = drawn(4, rows=40), torch.tensor([0.0, 0.4, 1.0, 3.0] * 10)
    numbers = numbers_of(range(40))
    together = choose(logits, temperature, numbers)
    alone = torch.cat([choose(logits[i : i + 1], temperature[i : i + 1], numbers[i : i + 1]) for i in range(40)])
    order = torch.from_numpy(np.random.default_rng(6).permutation(40))
    assert torch.equal(together, alone)
    assert torch.equal(choose(logits[order], temperature[order], numbers[order]), together[order])


def test_rounding_changes_a_draw_only_where_two_nearly_tie():
    logits, numbers = drawn(7, rows=2000), numbers_of(range(2000))
    noise = torch.from_numpy(np.random.default_rng(8).normal(scale=1e-4, size=logits.shape)).float()
    one = torch.ones(2000)
    changed = (choose(logits, one, numbers) != choose(logits + noise, one, numbers)).nonzero().flatten().tolist()
    assert len(changed) <= 4
    assert all(lead(logits[i], 1.0, numbers[i]) < 1e-3 for i in changed)
    leads = [lead(row, 1.0, own) for row, own in zip(logits[:50], numbers[:50], strict=True)]
    assert min(leads) > 0
    assert max(leads) > 0.5


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


def test_the_numbers_of_a_step_are_a_function_of_the_seed_and_the_step():
    n = n_numbers(N_VOCABULARY)
    assert n == 3 + BLOCK
    whole = gumbels(7, N_VOCABULARY, n_steps=5)
    assert whole.shape == (5, n)
    assert whole.dtype == torch.float32
    assert torch.equal(gumbels(7, N_VOCABULARY, step=3)[0], whole[3])
    assert not torch.equal(gumbels(8, N_VOCABULARY)[0], whole[0])
    for seed in (0, 7, 2**64 - 1):
        uniform = np.array(philox(seed, 8)[:8])
        wanted = torch.from_numpy(-np.log(-np.log(uniform))).float()
        torch.testing.assert_close(gumbels(seed, N_VOCABULARY)[0, :8], wanted)


def test_seeds_of_64_bits_are_all_different():
    seeds = [0, 1, 2**31, 2**32, 2**63, 2**64 - 1]
    assert len({tuple(gumbels(seed, 10)[0, :2].tolist()) for seed in seeds}) == len(seeds)


def test_the_numbers_of_neighbouring_seeds_and_steps_follow_the_gumbel_distribution():
    numbers = torch.cat([gumbels(seed, 10, n_steps=2)[:, :2].flatten()[None] for seed in range(2000)])
    uniform = torch.exp(-torch.exp(-numbers.double()))
    for column in range(4):
        counts = torch.histc(uniform[:, column].float(), bins=10, min=0, max=1)
        assert float(((counts - 200) ** 2 / 200).sum()) < 27.9  # 99.9 %, 9 degrees of freedom
    assert float(torch.corrcoef(uniform.T).triu(1).abs().max()) < 0.1
