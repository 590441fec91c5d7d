"""From a plan to its trials: the grid, crossed with concepts, wordings and samples, and balanced subsets of it.

Controls are one pool: a trial without injection belongs to no cell, and is run once for all of them.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from introspect.errors import LayerError, PlanError
from introspect.protocols.protocol import Arm, Protocol
from introspect.protocols.scene import Asked, Item, Scene
from introspect.records import Plan, SubjectIdentity, TrialSpec, VectorRef
from introspect.split import draw_on_side
from introspect.stimuli import Wording

Cell = tuple[str, str, str, int | None, float | None]


def layers_of(plan: Plan, identity: SubjectIdentity, last: bool = True) -> tuple[int, ...]:
    """Return the plan's layers; a depth d is the layer round(d · (n_layers - 1)), each layer once.

    Args:
        plan: The plan.
        identity: The subject.
        last: Whether the last block is among them; where an injection behind it can have no effect, since nothing is
            read where it acts, it is left out.
    """
    if plan.layers is None and plan.depths is None:
        message = f"the plan {plan.name!r} gives no layers; give layers (0-based blocks) or depths (fractions 0 to 1)"
        raise PlanError(message)
    for layer in plan.layers or ():
        if not 0 <= layer < identity.n_layers:
            raise LayerError(layer, identity.n_layers, identity.name)
    depths = plan.depths or ()
    layers = plan.layers or tuple(dict.fromkeys(round(depth * (identity.n_layers - 1)) for depth in depths))
    kept = tuple(layer for layer in layers if last or layer < identity.n_layers - 1)
    if not kept:
        message = (
            f"the plan {plan.name!r} injects behind the last block only, where nothing that is read depends on it; "
            f"give layers below {identity.n_layers - 1}"
        )
        raise PlanError(message)
    return kept


@dataclass(frozen=True, slots=True)
class Grid:
    """All that the trials of a plan are crossed from."""

    plan: Plan
    protocol: Protocol
    identity: SubjectIdentity
    scene: Scene
    wordings: Mapping[str, Wording]
    vectors_hash: str

    @property
    def arms(self) -> tuple[str, ...]:
        """The plan's arms, the protocol's own where it names none."""
        return self.plan.arms or self.protocol.default_arms

    def specs(self) -> list[TrialSpec]:
        """Return every trial of a plan, in grid order, each once."""
        plan = self.plan
        if plan.temperature == 0 and plan.samples > 1 and any(map(self._is_reply, self._tasks())):
            message = f"samples = {plan.samples} at temperature 0 would run the same greedy trial {plan.samples} times"
            raise PlanError(message)
        for task in plan.tasks:
            self.protocol.reading(task)
        found = {spec.key: spec for arm in self.arms for spec in self._of(arm)}
        if not found:
            message = f"the plan {plan.name!r} has no trials: no wording offers {', '.join(plan.tasks) or 'a task'}"
            raise PlanError(message)
        return list(found.values())

    def _tasks(self) -> set[str]:
        """Return the tasks of the plan's wordings."""
        offered = (self.protocol.tasks_of(wording.tasks, self.plan.tasks) for wording in self.wordings.values())
        return {task for tasks in offered for task in tasks}

    def _is_reply(self, task: str) -> bool:
        return self.protocol.reading(task) == "reply"

    def _of(self, name: str) -> Iterator[TrialSpec]:
        arm = self.protocol.arm(name)
        strengths = self.plan.strengths if arm.family else (None,)
        drawn = [
            (asked, self._layers(arm, asked.task), self.protocol.items(self.scene, asked))
            for asked in self._asked(name, arm)
        ]
        for strength in strengths:
            for asked, layers, items in drawn:
                yield from (self._spec(asked, item, arm, layer, strength) for layer in layers for item in items)

    def _layers(self, arm: Arm, task: str) -> tuple[int | None, ...]:
        """Return the layers of an arm; the last block is left out where what is read does not depend on it."""
        if arm.family is None:
            return (None,)
        where = self.plan.where or self.protocol.where
        if where == "generated" and not self._is_reply(task):
            message = f"where = 'generated' injects nothing in the task {task!r}, which is read off the prompt"
            raise PlanError(message)
        unreached = where == "cache" or (where == "prompt" and task.partition("/")[0] in self.protocol.unreached)
        return layers_of(self.plan, self.identity, last=not unreached)

    def _asked(self, name: str, arm: Arm) -> Iterator[Asked]:
        plan = self.plan
        for info, (label, wording) in product(plan.info, self.wordings.items()):
            if info != "none" and "info" not in wording.slots:
                message = f"the wording {label!r} has no place {{info}} for the information text {info!r}"
                raise PlanError(message)
            for task in self.protocol.tasks_of(wording.tasks, plan.tasks):
                for concept, sample in self._who(task, arm, label):
                    yield Asked(name, task, concept, sample, label, info)

    def _who(self, task: str, arm: Arm, label: str) -> Iterator[tuple[str | None, int]]:
        """Enumerate concepts and samples; clean trials of a prompt that depends on no concept are repeats of it."""
        plan, names = self.plan, self.scene.names
        if arm.family or task.partition("/")[0] in self.protocol.about or not self.protocol.injects:
            yield from product(names, range(plan.samples))
        elif self._is_reply(task):
            yield from product((None,), range(self._n_clean(task, label)))
        else:  # nothing is drawn when it is read: as many lead-ins as the injected trials have
            yield from product((None,), range(plan.samples * len(names)))

    def _n_clean(self, task: str, label: str) -> int:
        """Return how many clean replies a wording has, each behind another lead-in so long as there are any.

        In a plan of one side of the split they have all the lead-ins that the injected trials have, each as often as
        samples are drawn; ``none_samples`` are more of them. A greedy reply is drawn once a lead-in.
        """
        plan = self.plan
        leads = self.scene.leads(label) if "lead" in self.wordings[label].slots_of(task) else []
        if plan.side is None or not leads:
            return 1 if plan.temperature == 0 else plan.samples * plan.none_samples
        if plan.temperature == 0:
            return min(len(self.scene.names) * plan.none_samples, len(leads))
        return min(len(self.scene.names), len(leads)) * plan.samples * plan.none_samples

    def _spec(self, asked: Asked, item: Item, arm: Arm, layer: int | None, strength: float | None) -> TrialSpec:
        plan, protocol = self.plan, self.protocol
        spoken = protocol.speaks(asked.task, asked.arm)
        fields: dict[str, Any] = {
            "protocol": protocol.name, "subject": self.identity.fingerprint, "dtype": self.identity.dtype,
            "arm": asked.arm, "task": asked.task, "wording": asked.wording,
            "wording_hash": self.wordings[asked.wording].digest, "info": asked.info, "fill": self._fill(asked, item),
            "options": item.options, "truth": item.truth, "concept": asked.concept,
            "vector": self._vector(asked, arm), "vectors_hash": self.vectors_hash,
            "match": plan.match if arm.family not in {None, "concept"} else "norm",
            "layer": layer, "strength": strength,
            "span": arm.span or item.span or plan.span or protocol.span, "where": plan.where or protocol.where,
            "also": item.also if arm.family else (), "sample": asked.sample if spoken or arm.family else 0,
            "max_new_tokens": protocol.length(asked.task, plan) if spoken else 0,
            "temperature": plan.temperature if spoken else 0.0,
        }  # fmt: skip
        return TrialSpec.model_validate(fields)

    def _fill(self, asked: Asked, item: Item) -> dict[str, str]:
        """Return the texts that the wording has a place for."""
        slots = self.wordings[asked.wording].slots_of(asked.task)
        return {name: text for name, text in item.fill.items() if name in slots}

    def _vector(self, asked: Asked, arm: Arm) -> VectorRef | None:
        if arm.family is None or asked.concept is None:
            return None
        drawn = arm.family in {"random", "covariance", "shuffled", "swap"}
        other = None
        if arm.family == "other":
            pool = [name for name in self.scene.names if name != asked.concept]
            if not pool:
                message = "the arm other needs at least two concepts"
                raise PlanError(message)
            other = self.scene.rng("other", asked.concept, asked.sample).choice(pool)
        draw = draw_on_side(asked.sample, self.plan.side, self.plan.salt, self.plan.seed) if drawn else 0
        return VectorRef(family=arm.family, concept=asked.concept, draw=draw, other=other)


def cell_of(spec: TrialSpec) -> Cell:
    """Return the cell that a trial belongs to: task, information, arm, layer, strength."""
    return spec.task, spec.info, spec.arm, spec.layer, spec.strength


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
    cells: dict[Cell, list[TrialSpec]] = defaultdict(list)
    for spec in shuffled:
        cells[cell_of(spec)].append(spec)
    placed: list[tuple[float, int, TrialSpec]] = []
    for members in cells.values():
        for rank, spec in enumerate(_turns(members)):
            placed.append(((rank + 0.5) / len(members), len(placed), spec))
    return [spec for *_, spec in sorted(placed, key=lambda place: place[:2])][:n]


def in_order(specs: Sequence[TrialSpec], spoken: Sequence[bool]) -> list[TrialSpec]:
    """Return the trials in the order in which they run: replies as they are, those that are read prompt by prompt.

    A prompt's clean pass is shared by all that is read off it, so long as they come together.
    """
    said = [spec for spec, talks in zip(specs, spoken, strict=True) if talks]
    read = [spec for spec, talks in zip(specs, spoken, strict=True) if not talks]
    return said + sorted(read, key=lambda spec: (spec.wording, spec.info, spec.task, sorted(spec.fill.items())))


def _turns(members: Sequence[TrialSpec]) -> list[TrialSpec]:
    """Order a cell's trials so that concepts take turns, each with another wording every time."""
    queues: dict[str, list[TrialSpec]] = defaultdict(list)
    for spec in members:
        queues[spec.concept or spec.wording].append(spec)
    ordered: list[TrialSpec] = []
    while any(queues.values()):
        for queue in queues.values():
            if queue:
                ordered.append(queue.pop(0))
    return ordered
