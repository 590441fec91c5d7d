"""What a plan will cost, from a short measured probe of its own first trials on this machine."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from introspect.protocols.registry import protocol
from introspect.subjects.local import LocalSubject
from introspect.subjects.subject import Request
from introspect.sweeps.cells import cell_of
from introspect.sweeps.prepare import Prepared
from introspect.vectors.extract import recipe
from introspect.vectors.vector import VectorSet

PROBE_ROWS = 8
PROBE_TOKENS = 6
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Estimate:
    """Cells, trials, seconds and memory of a plan; the seconds assume replies of full length, an upper bound."""

    n_cells: int
    n_trials: int
    n_all: int
    n_batches: int
    seconds: float
    weights_mib: float
    cache_mib: float


def estimate(prepared: Prepared) -> Estimate:
    """Time a few trials of the plan for one and for a few tokens, and extrapolate.

    The vectors are all ones: what is added does not change what adding it costs.
    """
    plan, subject = prepared.plan, prepared.subject
    materials = prepared.materials(_stand_ins(prepared))
    requests = [protocol(spec.protocol)(spec, materials) for spec in prepared.specs[:PROBE_ROWS]]
    prefill, longer = (_seconds(subject, requests, n) for n in (1, PROBE_TOKENS))
    step = max(0.0, longer - prefill) / (PROBE_TOKENS - 1)
    longest = max(len(request.prompt.ids) for request in requests) + plan.max_new_tokens
    rows = min(plan.batch_size, len(prepared.specs))
    return Estimate(
        n_cells=len({cell_of(spec) for spec in prepared.specs}),
        n_trials=len(prepared.specs),
        n_all=prepared.n_all,
        n_batches=-(-len(prepared.specs) // plan.batch_size),
        seconds=len(prepared.specs) / len(requests) * (prefill + step * (plan.max_new_tokens - 1)),
        weights_mib=subject.weight_bytes() / MIB,
        cache_mib=rows * longest * subject.cache_bytes_per_token() / MIB,
    )


def _seconds(subject: LocalSubject, requests: Sequence[Request], n: int) -> float:
    begun = time.monotonic()
    subject.generate([replace(request, max_new_tokens=n) for request in requests])
    return time.monotonic() - begun


def _stand_ins(prepared: Prepared) -> VectorSet:
    identity = prepared.subject.identity
    provenance = recipe(identity, prepared.concepts, prepared.baseline, prepared.stimuli, prepared.plan.method)
    shape = (identity.n_layers, identity.d_model)
    return VectorSet({name: torch.ones(shape) for name in prepared.concepts.names}, provenance)
