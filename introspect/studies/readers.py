"""A third party that knows the vectors: how much of what was injected is there to be reported at all?

On the trials of the main report and of the detection question, before a word is said, the activation at the last
prompt token is read one block behind the injected one. The reader takes off the mean of the clean trials of the wording
and looks which concept's injected vector is nearest by cosine. It is an ideal observer, not a rival: it knows the
vectors and the layer. A subject is given as an efficiency on the detection trials, the square of its d over the
reader's; what a reader without the vectors makes of a reply is the arm that goes on from it without them.

Source: Song et al. (2025, arXiv 2508.14802) for the cost-matched third party; Nygaard (2026) for the nearest centroid;
efficiency as in Tanner and Birdsall (1958). The reader is ours.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from introspect.protocols.materials import Materials
from introspect.records import Reader, Readers, TrialSpec
from introspect.subjects.subject import Query
from introspect.sweeps.folder import RunFolder
from introspect.sweeps.prepare import Prepared
from introspect.sweeps.reading import READERS

ARMS = ("concept", "none")


def is_read(spec: TrialSpec) -> bool:
    """Whether the reader reads such a trial: a report, or the first detection question about a vector."""
    if spec.arm not in ARMS:
        return False
    if spec.protocol == "yes_no":
        return spec.task.startswith("detection") and (spec.arm == "none" or spec.sample == 0)
    return spec.protocol == "injected_thought" and spec.task == "report"


def observe(prepared: Prepared, folder: Path) -> None:
    """Let the reader read the trials of a run and write down what it finds; nothing is done where that is there.

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
        run.write(READERS, nearest(specs, materials).model_dump_json(indent=1).encode())


def nearest(specs: Sequence[TrialSpec], materials: Materials) -> Readers:
    """Return, for each trial, the concept whose vector is nearest, and how near it is."""
    layer = next((spec.layer for spec in specs if spec.layer is not None), 0)
    behind = min(layer + 1, materials.subject.identity.n_layers - 1)
    activations = _activations(specs, materials, behind)
    clean: dict[tuple[str, str], list[Tensor]] = defaultdict(list)
    for spec, each in zip(specs, activations, strict=True):
        if spec.vector is None:
            clean[spec.task, spec.wording].append(each)
    names = sorted({spec.concept for spec in specs if spec.concept})
    vectors = torch.stack([materials.vectors.directions[name][layer] for name in names])
    found: list[Reader] = []
    for spec, each in zip(specs, activations, strict=True):
        if (spec.task, spec.wording) not in clean:
            continue
        others = [own for own in clean[spec.task, spec.wording] if own is not each] or [each]
        cosines = functional.cosine_similarity(each - torch.stack(others).mean(dim=0), vectors, dim=-1)
        best = int(cosines.argmax())
        found.append(
            Reader(key=spec.key, arm=spec.arm, concept=spec.concept, named=names[best], score=float(cosines[best]))
        )
    return Readers(layer=behind, rows=tuple(found))


def _activations(specs: Sequence[TrialSpec], materials: Materials, layer: int) -> list[Tensor]:
    queries: list[Query] = []
    for spec in specs:
        prompt = materials.prompt(spec)
        queries.append(Query(prompt, materials.injections(spec, prompt), layers=(layer,)))
    return [readout.activations[0, 0] for readout in materials.subject.score(queries)]
