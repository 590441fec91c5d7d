"""What a plan will cost, from a short measured probe of its own first trials on this machine."""

from dataclasses import dataclass

import torch

from introspect.protocols.registry import protocol
from introspect.subjects.engine.prefixes import n_shared
from introspect.subjects.engine.tune import WIDTHS
from introspect.sweeps.cells import cell_of
from introspect.sweeps.prepare import Prepared
from introspect.vectors.extract import recipe
from introspect.vectors.vector import VectorSet

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Estimate:
    """Cells, trials, seconds and memory of a plan; the seconds assume replies of full length, an upper bound."""

    n_cells: int
    n_trials: int
    n_all: int
    rows: int
    way: str
    seconds: float
    weights_mib: float
    cache_mib: float


def estimate(prepared: Prepared) -> Estimate:
    """Time one batch of the plan's trials for a few tokens, and extrapolate.

    The vectors are all ones: what is added does not change what adding it costs.
    """
    plan, subject = prepared.plan, prepared.subject
    materials = prepared.materials(_stand_ins(prepared))
    requests = [protocol(spec.protocol)(spec, materials) for spec in prepared.specs[: WIDTHS[-1]]]
    per_token, engine = subject.cache_bytes_per_token(), subject.engine
    width = plan.batch_size or engine.width_for(requests, len(prepared.specs), per_token)
    rows = min(width, len(prepared.specs))
    timing = engine.timed(requests, rows)
    own = [len(r.prompt.ids) - (0 if engine.reason else n_shared(r)) + plan.max_new_tokens for r in requests]
    return Estimate(
        n_cells=len({cell_of(spec) for spec in prepared.specs}),
        n_trials=len(prepared.specs),
        n_all=prepared.n_all,
        rows=rows,
        way=engine.way,
        seconds=timing.seconds(len(prepared.specs), plan.max_new_tokens),
        weights_mib=subject.weight_bytes() / MIB,
        cache_mib=rows * max(own) * per_token / MIB,
    )


def _stand_ins(prepared: Prepared) -> VectorSet:
    identity = prepared.subject.identity
    provenance = recipe(identity, prepared.concepts, prepared.baseline, prepared.stimuli, prepared.plan.method)
    shape = (identity.n_layers, identity.d_model)
    return VectorSet({name: torch.ones(shape) for name in prepared.concepts.names}, provenance)
