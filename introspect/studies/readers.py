"""Third parties that know the vectors: how much of what was injected is there to be reported at all?

On the trials of the main report and of the detection question, before a word is said, the activation at the last
prompt token is read one block behind the injected one, less the mean of the clean trials asked alike. Three readers
look which concept it points to: the one whose injected vector is nearest by cosine; a probe, nearest to a concept's
mean activation in the other wordings; and the logit lens, by the logits of the concepts' words. They are ideal
observers, no rivals: they know the layer and what the vectors are. A subject is given as an efficiency on the detection
trials, the square of its d over the reader's; a reader without the vectors goes on from a reply without them.

Source: Song et al. (2025, arXiv 2508.14802) for the cost-matched third party; Nygaard (2026) for the nearest centroid;
nostalgebraist (2020) for the lens; efficiency as in Tanner and Birdsall (1958). The readers are ours.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from introspect.protocols.materials import Materials
from introspect.records import Reader, ReaderKind, Readers, TrialSpec
from introspect.subjects.local import LocalSubject
from introspect.subjects.subject import Query
from introspect.sweeps.folder import RunFolder
from introspect.sweeps.prepare import Prepared
from introspect.sweeps.reading import READERS

ARMS = ("concept", "none")


def is_read(spec: TrialSpec) -> bool:
    """Whether the readers read such a trial: a report, or the first detection question about a vector."""
    if spec.arm not in ARMS:
        return False
    if spec.protocol == "yes_no":
        return spec.task.startswith("detection") and (spec.arm == "none" or spec.sample == 0)
    return spec.protocol == "injected_thought" and spec.task == "report"


def observe(prepared: Prepared, folder: Path) -> None:
    """Let the readers read the trials of a run and write down what they find; nothing is done where that is there.

    Args:
        prepared: An experiment of a study.
        folder: Its run folder, finished.
    """
    specs = [spec for spec in prepared.specs if is_read(spec)]
    if not specs or (folder / READERS).exists():
        return
    with RunFolder(folder) as run:
        vectors = prepared.vectors(run)
        materials = prepared.materials(vectors)
        run.write(READERS, read(specs, materials).model_dump_json(indent=1).encode())


@dataclass(frozen=True, slots=True)
class Trials:
    """Trials as they were read, less what clean trials asked alike give.

    Attributes:
        specs: The trials.
        names: The concepts that were injected in them.
        rows: Activations, less the mean of the other clean trials of the same task and wording.
    """

    specs: Sequence[TrialSpec]
    names: Sequence[str]
    rows: Float[Tensor, "trial d_model"]


def read(specs: Sequence[TrialSpec], materials: Materials) -> Readers:
    """Return what each kind of reader makes of each trial; those asked as no clean one was are left out."""
    layer = next((spec.layer for spec in specs if spec.layer is not None), 0)
    behind = min(layer + 1, materials.subject.identity.n_layers - 1)
    names = sorted({spec.concept for spec in specs if spec.concept})
    activations = _activations(specs, materials, behind)
    kept = _asked_as_clean_ones(specs)
    trials = Trials([specs[place] for place in kept], names, less_clean(specs, activations)[kept])
    vectors = torch.stack([materials.vectors.directions[name][layer] for name in names])
    found = [
        *_told(trials, "nearest vector", _nearest(trials.rows, vectors)),
        *_told(trials, "probe", probed(trials)),
    ]
    subject = materials.subject
    if isinstance(subject, LocalSubject) and subject.model.device.type != "meta":
        seen = _seen(subject, activations, names)
        found += _told(trials, "logit lens", less_clean(specs, seen)[kept])
    return Readers(layer=behind, rows=tuple(found))


def _told(trials: Trials, kind: ReaderKind, scores: Float[Tensor, "trial concept"]) -> Iterator[Reader]:
    """Put down the best concept of each trial, where a reader has anything to say of it."""
    for spec, each in zip(trials.specs, scores, strict=True):
        if not each.isnan().all():
            best = int(each.nan_to_num(float("-inf")).argmax())
            yield Reader(
                kind=kind, key=spec.key, arm=spec.arm, concept=spec.concept, named=trials.names[best],
                score=float(each[best]),
            )  # fmt: skip


def _asked_as_clean_ones(specs: Sequence[TrialSpec]) -> list[int]:
    clean = {(spec.task, spec.wording) for spec in specs if spec.vector is None}
    return [place for place, spec in enumerate(specs) if (spec.task, spec.wording) in clean]


def less_clean(specs: Sequence[TrialSpec], rows: Float[Tensor, "trial n"]) -> Float[Tensor, "trial n"]:
    """Take off each row the mean of the other clean trials of its task and wording, or of itself if it is alone."""
    clean: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, spec in enumerate(specs):
        if spec.vector is None:
            clean[spec.task, spec.wording].append(place)
    found = rows.clone()
    for place, spec in enumerate(specs):
        alike = clean[spec.task, spec.wording]
        others = [each for each in alike if each != place] or alike
        if others:
            found[place] -= rows[others].mean(dim=0)
    return found


def _nearest(
    rows: Float[Tensor, "trial d_model"], directions: Float[Tensor, "concept d_model"]
) -> Float[Tensor, "trial concept"]:
    return functional.normalize(rows, dim=-1) @ functional.normalize(directions, dim=-1).T


def probed(trials: Trials) -> Float[Tensor, "trial concept"]:
    """Return each trial's cosine with every concept's mean in the other wordings; no number where there is none.

    This is a probe that was fitted to labelled trials, on others than those that it reads.
    """
    wordings = sorted({spec.wording for spec in trials.specs})
    scores = torch.full((len(trials.specs), len(trials.names)), float("nan"))
    for wording in wordings:
        here = [place for place, spec in enumerate(trials.specs) if spec.wording == wording]
        for column, name in enumerate(trials.names):
            fitted = [
                place for place, spec in enumerate(trials.specs) if spec.wording != wording and spec.concept == name
            ]
            if fitted:
                mean = trials.rows[fitted].mean(dim=0, keepdim=True)
                scores[here, column] = _nearest(trials.rows[here], mean)[:, 0]
    return scores


def _seen(
    subject: LocalSubject, rows: Float[Tensor, "trial d_model"], names: Sequence[str]
) -> Float[Tensor, "trial concept"]:
    """Return what the logit lens says of each concept's word: the best of its tokens."""
    tokens = [subject.chat.word_tokens(name) for name in names]
    every = sorted({token for each in tokens for token in each})
    columns = [[every.index(token) for token in each] for each in tokens]
    logits = subject.lens(rows, every)
    return torch.stack([logits[:, each].amax(dim=-1) for each in columns], dim=-1)


def _activations(specs: Sequence[TrialSpec], materials: Materials, layer: int) -> Float[Tensor, "trial d_model"]:
    queries: list[Query] = []
    for spec in specs:
        prompt = materials.prompt(spec)
        queries.append(Query(prompt, materials.injections(spec, prompt), layers=(layer,)))
    return torch.stack([readout.activations[0, 0] for readout in materials.subject.score(queries)])
