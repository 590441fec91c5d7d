"""From a plan to its trials: the grid, crossed with concepts, wordings and samples, and balanced subsets of it.

Controls are one pool: a trial without injection belongs to no cell, and is run once for all of them.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product

from introspect.errors import LayerError, PlanError
from introspect.records import Plan, SubjectIdentity, TrialSpec, VectorRef
from introspect.stimuli import Wording


def layers_of(plan: Plan, identity: SubjectIdentity) -> tuple[int, ...]:
    """Return the plan's layers; a depth d is the layer round(d · (n_layers - 1)), each layer once."""
    if plan.layers is not None:
        for layer in plan.layers:
            if not 0 <= layer < identity.n_layers:
                raise LayerError(layer, identity.n_layers, identity.name)
        return plan.layers
    depths = plan.depths or ()
    return tuple(dict.fromkeys(round(depth * (identity.n_layers - 1)) for depth in depths))


def trial_specs(
    plan: Plan,
    identity: SubjectIdentity,
    wordings: Mapping[str, Wording],
    concepts: Sequence[str],
    vectors_hash: str,
) -> list[TrialSpec]:
    """Return every trial of a plan, in grid order."""
    if plan.temperature == 0 and plan.samples > 1:
        message = f"samples = {plan.samples} at temperature 0 would run the same greedy trial {plan.samples} times"
        raise PlanError(message)

    def spec(wording: str, sample: int, **cell: object) -> TrialSpec:
        return TrialSpec.model_validate({
            "protocol": plan.protocol, "subject": identity.fingerprint, "dtype": identity.dtype,
            "wording": wording, "wording_hash": wordings[wording].digest, "vectors_hash": vectors_hash,
            "vector": None, "layer": None, "strength": None, "span": plan.span, "where": plan.where,
            "sample": sample, "max_new_tokens": plan.max_new_tokens, "temperature": plan.temperature, **cell,
        })  # fmt: skip

    specs: list[TrialSpec] = []
    for arm in plan.arms:
        if arm == "none":
            repeats = 1 if plan.temperature == 0 else plan.samples * plan.none_samples
            specs += [spec(wording, sample, arm=arm) for wording, sample in product(wordings, range(repeats))]
            continue
        grid = product(layers_of(plan, identity), plan.strengths, concepts, wordings, range(plan.samples))
        for layer, strength, concept, wording, sample in grid:
            vector = VectorRef(family=arm, concept=concept, draw=sample if arm == "random" else 0)
            specs.append(spec(wording, sample, arm=arm, layer=layer, strength=strength, vector=vector))
    return specs


def cell_of(spec: TrialSpec) -> tuple[str, int | None, float | None]:
    """Return the cell that a trial belongs to: arm, layer, strength."""
    return spec.arm, spec.layer, spec.strength


def subset(specs: Sequence[TrialSpec], n: int | None, seed: int) -> list[TrialSpec]:
    """Return all trials, or ``n`` of them, in an order in which every beginning is balanced.

    Cells are drawn from in proportion to their size; within a cell concepts take turns, and wordings within a
    concept. The order is a function of the plan and ``seed``: a longer subset begins with the shorter one.
    """
    if n is not None and n < 1:
        message = f"--max-trials {n} would run nothing; give at least 1"
        raise PlanError(message)
    shuffled = list(specs)
    random.Random(seed).shuffle(shuffled)
    cells: dict[tuple[str, int | None, float | None], list[TrialSpec]] = defaultdict(list)
    for spec in shuffled:
        cells[cell_of(spec)].append(spec)
    placed: list[tuple[float, int, TrialSpec]] = []
    for members in cells.values():
        for rank, spec in enumerate(_turns(members)):
            placed.append(((rank + 0.5) / len(members), len(placed), spec))
    return [spec for *_, spec in sorted(placed, key=lambda place: place[:2])][:n]


def _turns(members: Sequence[TrialSpec]) -> list[TrialSpec]:
    """Order a cell's trials so that concepts take turns, each with another wording every time."""
    queues: dict[str, list[TrialSpec]] = defaultdict(list)
    for spec in members:
        queues[spec.vector.concept if spec.vector else spec.wording].append(spec)
    ordered: list[TrialSpec] = []
    while any(queues.values()):
        for queue in queues.values():
            if queue:
                ordered.append(queue.pop(0))
    return ordered
