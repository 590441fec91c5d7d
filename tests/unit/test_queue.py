"""Who gets which block, and what becomes of the block of a worker that is gone."""

import copy
from itertools import chain, pairwise

import pytest


def queue_of(n, reads):
    from introspect.sweeps.queue import Block, Queue

    return Queue([Block(10 * i, 10 * i + 10, reads) for i in range(n)])


def run(queue, workers, turns=None):
    """Let workers take and finish blocks in turns; return the starts that each had."""
    had = {worker: [] for worker in workers}
    while not queue.finished:
        for worker in workers:
            block = queue.take(worker)
            if block is not None:
                had[worker].append(block.start)
        for worker in workers:
            if worker in queue._taken:
                queue.finish(worker)
    return had


def test_replies_are_handed_out_in_the_order_of_the_plan():
    had = run(queue_of(9, reads=False), "abc")
    assert sorted(chain(*had.values())) == [10 * i for i in range(9)]
    assert had["a"] == [0, 30, 60]


@pytest.mark.parametrize("n_workers", [1, 2, 3, 7])
def test_what_is_sorted_by_prompt_is_cut_at_few_places(n_workers):
    workers = [f"w{i}" for i in range(n_workers)]
    had = run(queue_of(64, reads=True), workers)
    assert sorted(chain(*had.values())) == [10 * i for i in range(64)]
    jumps = sum(second != first + 10 for starts in had.values() for first, second in pairwise(starts))
    assert jumps <= 3 * n_workers


def test_a_worker_that_is_gone_leaves_its_block_to_the_next_one():
    queue = queue_of(2, reads=False)
    first = queue.take("a")
    assert queue.lose("a") == first
    assert queue.take("b") == first
    queue.finish("b")
    assert not queue.finished
    assert queue.take("b").start == 10
    queue.finish("b")
    assert queue.finished
    assert queue.lose("b") is None, "it had nothing"


def test_a_block_at_which_workers_are_lost_again_and_again_is_named():
    from introspect.errors import ExecutorError

    queue = queue_of(1, reads=False)
    for worker in "ab":
        queue.take(worker)
        queue.lose(worker)
    queue.take("c")
    with pytest.raises(ExecutorError, match="3 workers were lost at the trials 0 to 9"):
        queue.lose("c")


def test_every_error_of_ours_survives_the_way_between_processes():
    import introspect.errors as errors

    arguments = {
        "UnknownNameError": ("concept", "bred", ["bread"]),
        "LayerError": (9, 4, "toy"),
        "StrengthError": (-1.0,),
        "ShapeError": ("vectors", (2, 3), (3, 2)),
        "VectorMismatchError": ("bread", "a" * 32, "b" * 32),
        "InjectionActiveError": (),
    }
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) >= 15
    for kind in kinds:
        error = kind(*arguments.get(kind.__name__, ("a sentence",)))
        error.add_note("in the trial k")
        again = copy.deepcopy(error)  # by the same protocol as pickling
        assert (type(again), str(again), again.__notes__) == (kind, str(error), ["in the trial k"])
