"""What a plan will cost, from a short measured probe of its own first trials on this machine."""

import time
from dataclasses import dataclass

from introspect.protocols.materials import Materials
from introspect.protocols.trials import query, replies, request
from introspect.records import TrialSpec
from introspect.subjects.engine.prefixes import n_shared
from introspect.subjects.engine.tune import WIDTHS
from introspect.subjects.subject import Request
from introspect.sweeps.cells import cell_of
from introspect.sweeps.prepare import Prepared, stand_ins
from introspect.sweeps.run import READ_WIDTH, blocks

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Estimate:
    """Cells, trials, seconds and memory of a plan; the seconds assume replies of full length, an upper bound.

    ``load`` is what has to be computed; ``n_blocks`` are the pieces that workers can share.
    """

    n_cells: int
    n_trials: int
    n_all: int
    rows: int
    way: str
    seconds: float
    weights_mib: float
    cache_mib: float
    n_blocks: int
    load: "Load"

    def seconds_with(self, n_workers: int) -> float:
        """Return the time that so many workers take: that of the one with the most blocks, loading left out."""
        at_once = min(n_workers, self.n_blocks) or 1
        return self.seconds * -(-self.n_blocks // at_once) / (self.n_blocks or 1)


@dataclass(frozen=True, slots=True)
class Load:
    """Tokens to compute: distinct prefixes, once each (a worker that needs one computes it), and what is a trial's own.

    Replies are counted at full length. Of a trial that is only read, the clean pass of its prompt is a prefix, and its
    own tokens are those from the first edited one on.
    """

    n_prefixes: int
    prefix_tokens: int
    own_tokens: int
    reply_tokens: int


READ_AT_ONCE = 96
"""Trials that are read to find out how long reading takes."""


def estimate(prepared: Prepared) -> Estimate:
    """Time one batch of the plan's trials for a few tokens, and extrapolate.

    The vectors are all ones: what is added does not change what adding it costs.
    """
    subject, materials = prepared.subject, prepared.materials(stand_ins(prepared))
    spoken = [spec for spec in prepared.specs if replies(spec)]
    read = [spec for spec in prepared.specs if not replies(spec)]
    rows, seconds, cache = 0, 0.0, 0.0
    if spoken:
        rows, seconds, cache = _replies(prepared, spoken, materials)
    if read:
        seconds += _readings(prepared, read, materials)
    return Estimate(
        n_cells=len({cell_of(spec) for spec in prepared.specs}),
        n_trials=len(prepared.specs),
        n_all=prepared.n_all,
        rows=rows,
        way=subject.engine.way,
        seconds=seconds,
        weights_mib=subject.weight_bytes() / MIB,
        cache_mib=cache,
        n_blocks=len(blocks(len(prepared.specs), prepared.n_all, prepared.plan.batch_size or rows or READ_WIDTH)),
        load=load(prepared, materials),
    )


def load(prepared: Prepared, materials: Materials) -> Load:
    """Count the tokens of a plan; every conversation is put into tokens once."""
    sizes: dict[tuple[object, ...], tuple[tuple[int, ...], int]] = {}
    whole = prepared.subject.engine.reason is not None
    own = 0
    for spec in prepared.specs:
        spoken = replies(spec)
        key = (spoken, spec.wording, spec.task, spec.said, spec.span, spec.where, spec.arm, *sorted(spec.fill.items()))
        if key not in sizes:
            made = request(spec, materials) if spoken else query(spec, materials)
            ids = made.prompt.ids
            n_prefix = (0 if whole else n_shared(made)) if isinstance(made, Request) else len(ids)
            begins = [start for injection in made.injections for start, _ in injection.span.prompt]
            sizes[key] = ids[:n_prefix], len(ids) - (n_prefix if spoken else min(begins, default=len(ids)))
        own += sizes[key][1]
    prefixes = {prefix for prefix, _ in sizes.values() if prefix}
    return Load(
        n_prefixes=len(prefixes),
        prefix_tokens=sum(map(len, prefixes)),
        own_tokens=own,
        reply_tokens=sum(spec.max_new_tokens for spec in prepared.specs),
    )


def _replies(prepared: Prepared, specs: list[TrialSpec], materials: Materials) -> tuple[int, float, float]:
    """Return the rows at a time, the seconds and the MiB of cache that trials with replies take."""
    plan, subject = prepared.plan, prepared.subject
    requests = [request(spec, materials) for spec in specs[: WIDTHS[-1]]]
    per_token, engine = subject.cache_bytes_per_token(), subject.engine
    width = plan.batch_size or engine.width_for(requests, len(specs), per_token)
    rows = min(width, len(specs))
    longest = max(spec.max_new_tokens for spec in specs)
    timing = engine.timed(requests, rows)
    own = [len(r.prompt.ids) - (0 if engine.reason else n_shared(r)) + longest for r in requests]
    seconds = sum(
        timing.seconds(sum(spec.max_new_tokens == length for spec in specs), length)
        for length in {spec.max_new_tokens for spec in specs}
    )
    return rows, seconds, rows * max(own) * per_token / MIB


def _readings(prepared: Prepared, specs: list[TrialSpec], materials: Materials) -> float:
    """Return the seconds that trials from which something is read take.

    Some of them, neighbours as in a run, are read twice: the second time the clean passes of their prompts are there,
    and so it is known what a prompt takes and what a trial takes.
    """
    step = max(1, len(specs) // 3)
    some = [spec for start in range(0, len(specs), step) for spec in specs[start : start + READ_AT_ONCE // 3]]
    queries = [query(spec, materials) for spec in some]
    subject = prepared.subject
    subject.score(queries[:2])  # whatever is done once only
    subject.engine.readouts.clear()
    seconds: list[float] = []
    for _ in range(2):
        begun = time.perf_counter()
        subject.score(queries)
        seconds.append(time.perf_counter() - begun)
    first, again = seconds
    for_prompts = max(0.0, first - again) / _n_prompts(some) * _n_prompts(specs)
    return for_prompts + again / len(some) * len(specs)


def _n_prompts(specs: list[TrialSpec]) -> int:
    return len({(spec.wording, spec.task, *sorted(spec.fill.items())) for spec in specs})
