"""Everything a sweep needs before its first trial: the subject, the stimuli, the specifications, the vectors.

Whatever can be wrong with a plan is found here, before anything is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from introspect.concepts import ConceptSet, load_concepts
from introspect.errors import PlanError, RunFolderError
from introspect.multiple_choice import load_multiple_choice
from introspect.progress import track
from introspect.protocols.materials import Materials, option_tokens
from introspect.protocols.protocol import Protocol
from introspect.protocols.registry import protocol
from introspect.protocols.scene import Scene
from introspect.protocols.trials import prompt_of, replies
from introspect.records import SCHEMA_VERSION, Family, Manifest, Plan, Scales, TrialSpec
from introspect.stimuli import Stimuli, Wording, load_stimuli
from introspect.subjects.backends import through
from introspect.subjects.local import LocalSubject
from introspect.sweeps.cells import Grid, in_order, subset
from introspect.sweeps.effects import N_NEUTRAL, match_effects
from introspect.sweeps.folder import RunFolder
from introspect.sweeps.loading import foreign_vectors, load_plan_subject
from introspect.sweeps.machine import machine, packages
from introspect.sweeps.reading import DIAGNOSTICS, EFFECTS, VECTORS, read_effects
from introspect.vectors.diagnose import as_json, diagnose
from introspect.vectors.extract import Extraction, Reader, extract, n_prompts, recipe
from introspect.vectors.vector import Provenance, VectorSet, load_vectors

OTHER_WORDS = "lindsey_control_words"
"""The list whose words are the baseline of intentional control, and from which wrong answers are drawn."""
FROM_BASELINE = frozenset({"covariance", "swap"})
"""Families of control vectors that are made from the baseline words' activations."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A plan made concrete.

    ``specs`` are the trials asked for, in the order they run; ``n_all`` is how many the whole plan has. ``extracted``
    are the concepts whose vectors are needed: the plan's and, where they are a baseline, others.
    """

    plan: Plan
    subject: LocalSubject
    stimuli: Stimuli
    wordings: dict[str, Wording]
    concepts: ConceptSet
    extracted: ConceptSet
    baseline: ConceptSet
    vectors_hash: str
    specs: list[TrialSpec]
    everything: list[TrialSpec]
    reader: Reader

    @property
    def n_all(self) -> int:
        """How many trials the whole plan has."""
        return len(self.everything)

    def manifest(self) -> Manifest:
        """Describe the run."""
        versions = packages()
        return Manifest(
            schema_version=SCHEMA_VERSION,
            introspect_version=versions["introspect"],
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            plan=self.plan,
            subject=self.subject.identity,
            n_planned=len(self.specs),
            vectors_hash=self.vectors_hash,
            wordings={name: wording.digest for name, wording in self.wordings.items()},
            concepts={concept.name: concept.forms for concept in self.concepts.members},
            frequency={
                name: self.concepts.frequency[name] for name in self.concepts.names if name in self.concepts.frequency
            },
            machine=machine(),
            packages=versions,
        )

    def materials(self, vectors: VectorSet, scales: Scales | None = None) -> Materials:
        """Return what the protocol draws on."""
        others = tuple(name for name in self.extracted.names if name not in self.concepts.names)
        return Materials(self.subject, self.wordings, vectors, others, scales or {})

    def vectors(self, folder: RunFolder) -> VectorSet:
        """Return the run's vectors: those in its folder, or extracted and kept there now.

        Raises:
            RunFolderError: The vectors in the folder belong to another recipe.
        """
        path = folder.path / VECTORS
        if self.plan.vectors is not None:
            return foreign_vectors(self.plan.vectors, self.subject, self.extracted)
        if path.is_file():
            vectors = load_vectors(path)
            if vectors.provenance.digest != self.vectors_hash:
                message = f"{path} is not the vector file of this run; remove it to extract the vectors again"
                raise RunFolderError(message)
            return vectors
        total = n_prompts(self.extracted, self.baseline, self.plan.method)
        with track("reading concept vectors", total) as advance:
            extraction = extract(self.reader, self.extracted, self.baseline, self.stimuli, self.plan.method, advance)
        folder.write(DIAGNOSTICS, as_json(diagnose(extraction, self.subject)))
        vectors = self._kept(extraction)
        vectors.save(path)
        return vectors

    def _kept(self, extraction: Extraction) -> VectorSet:
        """Keep the baseline words' activations with the vectors where controls are made from them."""
        families = {spec.vector.family for spec in self.everything if spec.vector}
        if not families & FROM_BASELINE:
            return extraction.vectors
        return replace(extraction.vectors, baseline=extraction.baseline)

    def scales(self, folder: RunFolder, vectors: VectorSet) -> Scales:
        """Return the factors that match effects: those in the folder, or found and kept there now."""
        if self.plan.match == "norm":
            return {}
        effects = read_effects(folder.path)
        if effects is None:
            wanted: set[tuple[Family, int, float]] = {
                (spec.vector.family, spec.layer, spec.strength)
                for spec in self.everything
                if spec.vector and spec.layer is not None and spec.strength is not None and spec.match == "effect"
            }
            texts = self.stimuli.texts("paragraphs")[:N_NEUTRAL]
            effects = match_effects(self.materials(vectors), self.concepts.names, sorted(wanted), texts)
            folder.write(EFFECTS, effects.model_dump_json(indent=1).encode())
        return effects.scales


def prepare(
    plan: Plan, max_trials: int | None = None, subject: LocalSubject | None = None, reader: Reader | None = None
) -> Prepared:
    """Load what a plan names and enumerate its trials.

    Args:
        plan: The plan.
        max_trials: How many of its trials to run.
        subject: The subject where it is loaded already.
        reader: What reads concept vectors, if not the subject itself.

    Raises:
        IntrospectError: Anything the plan names does not exist, or does not fit the subject.
    """
    kind = protocol(plan.protocol)
    for arm in plan.arms or ():
        kind.arm(arm)
    stimuli = load_stimuli(plan.stimuli)
    if plan.questions is not None:
        stimuli = stimuli.model_copy(update={"multiple_choice": load_multiple_choice(plan.questions)})
    wordings = stimuli.choose(plan.wordings, plan.protocol)
    concepts = load_concepts(plan.concepts).unique()
    if plan.n_concepts is not None:
        concepts = concepts.sample(plan.n_concepts, plan.seed)
    baseline = load_concepts(plan.baseline)
    if plan.method != "word" and any(not concept.pairs for concept in concepts.members):
        message = f"method = {plan.method!r} needs contrastive pairs, and {concepts.title!r} has concepts without them"
        raise PlanError(message)
    loaded = load_plan_subject(plan) if subject is None else through(subject, plan.backend)
    spare = load_concepts(OTHER_WORDS)
    extracted = concepts if kind.injects else _joined(concepts, spare)
    made_of = recipe(loaded.identity, extracted, baseline, stimuli, plan.method)
    if plan.vectors is not None:
        made_of = foreign_vectors(plan.vectors, loaded, extracted).provenance
    vectors_hash = made_of.digest
    scene = Scene(plan, stimuli, concepts, _joined(load_concepts("lindsey_concepts"), spare), loaded.chat)
    everything = Grid(plan, kind, loaded.identity, scene, wordings, vectors_hash).specs()
    specs = subset(everything, max_trials, plan.seed)
    prepared = Prepared(
        plan,
        loaded,
        stimuli,
        wordings,
        concepts,
        extracted,
        baseline,
        vectors_hash,
        specs,
        everything,
        reader or loaded,
    )
    _check_layers(made_of, everything)
    _check_names(concepts, everything, kind)
    _check(prepared, everything)
    return replace(prepared, specs=in_order(specs, [replies(spec) for spec in specs]))


def _joined(first: ConceptSet, second: ConceptSet) -> ConceptSet:
    """Return both sets as one, each name once."""
    known = set(first.names)
    new = {concept.name: concept for concept in second.members if concept.name not in known}
    return ConceptSet(title=first.title, source=first.source, concept=(*first.members, *new.values()))


def _check_layers(made_of: Provenance, specs: Sequence[TrialSpec]) -> None:
    """Raise ``PlanError`` where something is injected at a layer for which there are no vectors."""
    missing = set(made_of.missing or ())
    wrong = sorted({spec.layer for spec in specs if spec.layer in missing})
    if wrong:
        present = [layer for layer in range(made_of.n_layers) if layer not in missing]
        message = (
            f"the plan injects at layers {wrong}, and there are vectors at {present} only ({made_of.source}); "
            f"give layers among those"
        )
        raise PlanError(message)


def _check_names(concepts: ConceptSet, specs: Sequence[TrialSpec], kind: Protocol) -> None:
    """Raise ``PlanError`` where a feature without a word would be put into words."""
    unnamed = {concept.name for concept in concepts.members if concept.unnamed}
    if unnamed and not kind.injects:
        message = f"{kind.name} asks for the concepts in words and injects nothing; features cannot be its concepts"
        raise PlanError(message)
    for spec in specs if unnamed else ():
        texts = " ".join((*spec.options, *spec.fill.values()))
        ranked = spec.concept in unnamed and kind.reading(spec.task) == "ranks"
        if ranked or any(name in texts for name in unnamed):
            message = (
                f"the task {spec.task!r} needs a word for every concept, and {min(unnamed)} has none; give one, as in "
                f"{min(unnamed)}=bread, or leave that task out"
            )
            raise PlanError(message)


def _check(prepared: Prepared, specs: Sequence[TrialSpec]) -> None:
    """Try the longest trial of every kind: its slots, its spans, its answers, its room in the context."""
    if prepared.plan.span is not None:
        for name, wording in prepared.wordings.items():
            wording.require_mark(prepared.plan.span, name)
    if prepared.plan.method != "word" and {s.vector.family for s in specs if s.vector} & FROM_BASELINE:
        message = "the arms covariance and swap need the activations of baseline words; vectors from pairs have none"
        raise PlanError(message)
    longest = sorted(specs, key=lambda spec: sum(map(len, spec.fill.values())))  # of each kind the last one stays
    kinds = {(spec.wording, spec.task, spec.arm, spec.info): spec for spec in longest}
    materials = prepared.materials(stand_ins(prepared))
    for options in dict.fromkeys(spec.options for spec in specs if spec.options):
        option_tokens(prepared.subject, options)
    for spec in kinds.values():
        prompt = prompt_of(spec, materials)
        if spec.vector is not None:
            prompt.span(spec.span, spec.where)
        prepared.subject.check_room(len(prompt.ids), spec.max_new_tokens)


def stand_ins(prepared: Prepared) -> VectorSet:
    """Return vectors of ones in the place of those that are not read yet."""
    identity = prepared.subject.identity
    provenance = recipe(identity, prepared.extracted, prepared.baseline, prepared.stimuli, prepared.plan.method)
    ones = torch.ones(identity.n_layers, identity.d_model)
    rows = 1 + torch.arange(3.0)[:, None, None] * torch.ones(3, identity.n_layers, identity.d_model).cumsum(dim=-1)
    return VectorSet(dict.fromkeys(prepared.extracted.names, ones), provenance, rows)


def default_folder(plan: Plan) -> Path:
    """Return where a plan's run goes when no folder is given."""
    return Path("runs") / plan.name
