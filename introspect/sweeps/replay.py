"""Trials of a run again, from their records alone, and the stream under every one of their tokens.

A trial's specification is on the disk, so it can be run by itself; what comes out is compared with what is on record.
For the projections the prompt and the reply are read in one pass with the same injection, which by causality gives the
states that the trial had, up to rounding.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from introspect.errors import RunFolderError, UnknownNameError
from introspect.injection import Injection
from introspect.protocols.materials import Materials, controlled
from introspect.protocols.trials import prompt_of, run_trials
from introspect.records import Projection, Trial, TrialSpec
from introspect.spans import Span
from introspect.subjects.subject import Query
from introspect.sweeps.folder import RunFolder
from introspect.sweeps.loading import foreign_vectors
from introspect.sweeps.prepare import prepare
from introspect.sweeps.reading import PROJECTIONS, VECTORS, read_manifest, read_projections, read_trials
from introspect.vectors.vector import load_vectors

DIGITS = 4


@dataclass(frozen=True, slots=True)
class Replayed:
    """A trial as it is on record, and as it came out now."""

    recorded: Trial
    again: Trial

    @property
    def same(self) -> bool:
        """Whether the reply has the same tokens and the same was edited."""
        return (self.recorded.reply_tokens, self.recorded.finish) == (self.again.reply_tokens, self.again.finish) and [
            (audit.edited_prompt, audit.edited_generated) for audit in self.recorded.audits
        ] == [(audit.edited_prompt, audit.edited_generated) for audit in self.again.audits]


def find_trials(path: Path, keys: Iterable[str]) -> list[Trial]:
    """Return the trials of a run folder with these keys, of which beginnings are enough.

    Raises:
        RunFolderError: A beginning that several trials share.
        UnknownNameError: No such trial.
    """
    trials = {trial.key: trial for trial in read_trials(path)}
    found: list[Trial] = []
    for key in keys:
        own = [name for name in trials if name.startswith(key)]
        if len(own) > 1:
            message = f"{len(own)} trials of {path} begin with {key!r}; give more of the key, such as {own[0][:12]}"
            raise RunFolderError(message)
        if not own:
            raise UnknownNameError("trial", key, trials)
        found.append(trials[own[0]])
    return found


def sample_trials(path: Path, n: int, seed: int = 0) -> list[Trial]:
    """Return some injected trials with a reply, as many of every arm and cell as of the others."""
    groups: dict[tuple[object, ...], list[Trial]] = {}
    for trial in sorted(read_trials(path), key=lambda trial: trial.key):
        if trial.spec.vector is not None:
            spec = trial.spec
            groups.setdefault((spec.task, spec.arm, spec.layer, spec.strength), []).append(trial)
    source = random.Random(seed)
    for group in groups.values():
        source.shuffle(group)
    turns = max(map(len, groups.values()), default=0)
    dealt = [group[turn] for turn in range(turns) for group in groups.values() if turn < len(group)]
    return dealt[:n]


def reopened(path: Path) -> Materials:
    """Load what a run's trials draw on: its subject, wordings and vectors, and nothing is written.

    Raises:
        RunFolderError: The subject is another one by now, or the vectors are gone.
    """
    manifest = read_manifest(path)
    prepared = prepare(manifest.plan)
    subject = prepared.subject
    if subject.identity.fingerprint != manifest.subject.fingerprint:
        message = (
            f"{path} was run on {manifest.subject.name} {manifest.subject.fingerprint[:12]}, and that name now loads "
            f"{subject.identity.fingerprint[:12]}: its trials cannot be run again on this"
        )
        raise RunFolderError(message)
    if manifest.plan.vectors is not None:
        vectors = foreign_vectors(manifest.plan.vectors, subject, prepared.extracted)
    elif (path / VECTORS).is_file():
        vectors = load_vectors(path / VECTORS)
    else:
        message = f"{path} has no {VECTORS}; the same run command extracts them again"
        raise RunFolderError(message)
    return prepared.materials(vectors, prepared.scales(RunFolder(path), vectors))


def replay(trial: Trial, materials: Materials) -> Replayed:
    """Run a trial again, alone."""
    return Replayed(trial, next(iter(run_trials([trial.spec], materials, 1))))


def project(trial: Trial, materials: Materials) -> Projection | None:
    """Read the stream under every token of a trial, projected on the direction that was injected.

    Returns:
        ``None`` for a trial in which nothing was injected.
    """
    spec = trial.spec
    if spec.vector is None or spec.layer is None:
        return None
    prompt = prompt_of(spec, materials)
    fed = trial.reply_tokens if trial.finish == "stop" else trial.reply_tokens[:-1]
    text, n_prompt = prompt.text, len(prompt.ids)
    whole = replace(prompt, ids=(*prompt.ids, *fed), offsets=(*prompt.offsets, *[(0, 0)] * len(fed)))
    injections = tuple(_laid_out(each, len(fed)) for each in materials.injections(spec, prompt))
    layers = tuple(range(materials.subject.identity.n_layers))
    query = Query(whole, injections, positions=tuple(range(len(whole.ids))), layers=layers)
    states = materials.subject.score([query])[0].activations
    direction = controlled(materials.vectors, spec.vector, spec.layer).direction
    inside = {position for each in injections for start, stop in each.span.prompt for position in range(start, stop)}
    pieces = [text[start:stop] for start, stop in prompt.offsets]
    return Projection(
        key=trial.key,
        direction=_named(spec),
        tokens=(*pieces, *_texts(materials, fed)),
        n_prompt=n_prompt,
        injected=tuple(sorted(inside)),
        layers=layers,
        values=_rounded(states @ torch.nn.functional.normalize(direction, dim=0)),
    )


def keep(path: Path, projections: Sequence[Projection]) -> int:
    """Put projections beside a run's trials, in the place of older ones of the same trials; return how many there are.

    Raises:
        RunFolderError: The folder cannot be written, or another process has it.
    """
    with RunFolder(path) as folder:
        every = {**read_projections(path), **{each.key: each for each in projections}}
        folder.write(PROJECTIONS, "".join(each.model_dump_json() + "\n" for each in every.values()).encode())
    return len(every)


def _laid_out(injection: Injection, n_fed: int) -> Injection:
    """Return the same edit with the reply's positions named one by one, as they are part of what is read."""
    span = injection.span
    last = span.prompt_length + n_fed
    more = ((span.prompt_length, last),) if span.generated and n_fed else ()
    return replace(injection, span=Span((*span.prompt, *more), False, last))


def _named(spec: TrialSpec) -> str:
    concept = spec.vector.concept if spec.vector else ""
    return f"direction of {concept}" if spec.arm == "concept" else f"{spec.arm} direction in place of {concept}"


def _texts(materials: Materials, tokens: Sequence[int]) -> list[str]:
    """Return the text of each token of a reply; a sign of several tokens belongs to the last of them."""
    decode = materials.subject.chat.tokenizer.decode
    wholes = ["", *(str(decode(list(tokens[: n + 1]))) for n in range(len(tokens)))]
    ends = [whole.rstrip("\ufffd") for whole in wholes]
    return [after.removeprefix(before) for before, after in pairwise(ends)]


def _rounded(values: Float[Tensor, "layer position"]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(f"{value:.{DIGITS}g}") for value in line) for line in values.tolist())
