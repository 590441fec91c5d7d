"""Everything a sweep needs before its first trial: the subject, the stimuli, the specifications, the vectors.

Whatever can be wrong with a plan is found here, before anything is written.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from introspect.concepts import ConceptSet, load_concepts
from introspect.errors import PlanError, RunFolderError
from introspect.progress import track
from introspect.protocols.materials import Materials
from introspect.protocols.registry import protocol
from introspect.records import SCHEMA_VERSION, Manifest, Plan, TrialSpec
from introspect.stimuli import Stimuli, Wording, load_stimuli
from introspect.subjects.load import load_subject
from introspect.subjects.local import LocalSubject
from introspect.sweeps.cells import subset, trial_specs
from introspect.sweeps.folder import DIAGNOSTICS, VECTORS, RunFolder
from introspect.sweeps.machine import machine, packages
from introspect.vectors.diagnose import as_json, diagnose
from introspect.vectors.extract import extract, n_prompts, recipe
from introspect.vectors.vector import VectorSet, load_vectors


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A plan made concrete: ``specs`` are the trials asked for, ``n_all`` those of the whole plan."""

    plan: Plan
    subject: LocalSubject
    stimuli: Stimuli
    wordings: dict[str, Wording]
    concepts: ConceptSet
    baseline: ConceptSet
    vectors_hash: str
    specs: list[TrialSpec]
    n_all: int

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
            machine=machine(),
            packages=versions,
        )

    def materials(self, vectors: VectorSet) -> Materials:
        """Return what the protocol draws on."""
        return Materials(self.subject, self.wordings, vectors)

    def vectors(self, folder: RunFolder) -> VectorSet:
        """Return the run's vectors: those in its folder, or extracted and kept there now.

        Raises:
            RunFolderError: The vectors in the folder belong to another recipe.
        """
        path = folder.path / VECTORS
        if path.is_file():
            vectors = load_vectors(path)
            if vectors.provenance.digest != self.vectors_hash:
                message = f"{path} is not the vector file of this run; remove it to extract the vectors again"
                raise RunFolderError(message)
            return vectors
        total = n_prompts(self.concepts, self.baseline, self.plan.method)
        with track("reading concept vectors", total) as advance:
            extraction = extract(self.subject, self.concepts, self.baseline, self.stimuli, self.plan.method, advance)
        folder.write(DIAGNOSTICS, as_json(diagnose(extraction, self.subject)))
        extraction.vectors.save(path)
        return extraction.vectors


def prepare(plan: Plan, max_trials: int | None = None) -> Prepared:
    """Load what a plan names and enumerate its trials.

    Raises:
        IntrospectError: Anything the plan names does not exist, or does not fit the subject.
    """
    protocol(plan.protocol)
    stimuli = load_stimuli(plan.stimuli)
    wordings = stimuli.choose(plan.wordings, plan.protocol)
    for name, wording in wordings.items():
        wording.require_mark(plan.span, name)
    concepts = load_concepts(plan.concepts).unique()
    if plan.n_concepts is not None:
        concepts = concepts.sample(plan.n_concepts, plan.seed)
    baseline = load_concepts(plan.baseline)
    if plan.method != "word" and any(not concept.pairs for concept in concepts.members):
        message = f"method = {plan.method!r} needs contrastive pairs, and {concepts.title!r} has concepts without them"
        raise PlanError(message)
    subject = load_subject(
        plan.subject,
        adapter=plan.adapter,
        device=plan.device,
        dtype=plan.dtype,
        device_map=plan.device_map,
        revision=plan.revision,
        trust_remote_code=plan.trust_remote_code,
    )
    vectors_hash = recipe(subject.identity, concepts, baseline, stimuli, plan.method).digest
    everything = trial_specs(plan, subject.identity, wordings, concepts.names, vectors_hash)
    for wording in wordings.values():
        encoded = subject.chat.encode(wording.turns)
        encoded.tokens_of(plan.span)
        subject.check_room(len(encoded.ids), plan.max_new_tokens)
    specs = subset(everything, max_trials, plan.seed)
    return Prepared(plan, subject, stimuli, wordings, concepts, baseline, vectors_hash, specs, len(everything))


def default_folder(plan: Plan) -> Path:
    """Return where a plan's run goes when no folder is given."""
    return Path("runs") / plan.name
