"""The traces themselves: nnsight reads, answers and scores one batch.

One trace answers a batch: in every step it edits the blocks' outputs with the one operator, measures what the next
module gets, chooses the tokens as the engine does, and makes them the largest logits, which generation then takes.
Nothing of this package is called inside a trace but pure functions that need torch alone; their source goes along.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import nnsight
import torch
from jaxtyping import Float
from nnsight.modeling.transformers import TransformersModel
from torch import Tensor

from introspect.audit import audited
from introspect.errors import AuditError, LayerError
from introspect.injection import Injection
from introspect.measure import measured, planned_push
from introspect.operator import add, push
from introspect.records import Audit
from introspect.spans import span_bounds, span_mask
from introspect.subjects.engine.batch import Batch, left_pad
from introspect.subjects.engine.draw import blocks, drawn
from introspect.subjects.engine.full import FullPrefill
from introspect.subjects.engine.readouts import asked, readout
from introspect.subjects.engine.rows import Row
from introspect.subjects.engine.sampling import gumbels
from introspect.subjects.local import LocalSubject
from introspect.subjects.shipped import looked, made
from introspect.subjects.subject import Query, Readout, Reply, Request

Remote = Literal[False, True, "local"]

for _function in (add, measured, drawn, made):
    nnsight.register(inspect.unwrap(_function).__module__)

# Under a checker of shapes functions are wrapped; what is sent is the function itself.
_ADD, _PUSH = inspect.unwrap(add), inspect.unwrap(push)
_PLANNED, _MEASURED = inspect.unwrap(planned_push), inspect.unwrap(measured)
_MADE, _LOOKED = inspect.unwrap(made), inspect.unwrap(looked)
_BLOCKS, _DRAWN = inspect.unwrap(blocks), inspect.unwrap(drawn)


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """Some rows' injections at one layer, at most one a row; ``tensors`` is what ``shipped`` calls a site.

    ``rows`` names each injection: its row of the batch, and its place among that row's. ``block`` and ``following``
    are nnsight's: the block, and the module behind it, ``None`` where another site of this layer comes first or
    nothing is known behind the last block.
    """

    layer: int
    rows: tuple[tuple[int, int], ...]
    block: Any
    following: Any
    tensors: Mapping[str, Tensor]


def _tensors(rows: Sequence[int], injections: Sequence[Injection], positions: Tensor) -> dict[str, Tensor]:
    spans = [one.span for one in injections]
    here = positions[list(rows)]
    mask = span_mask(here, span_bounds(spans))
    deltas = torch.stack([one.vector.delta for one in injections])
    targets = [torch.zeros_like(deltas[0]) if one.target is None else one.target.to(deltas) for one in injections]
    return {
        "rows": torch.tensor(list(rows)),
        "delta": deltas,
        "size": deltas.float().norm(dim=-1),
        "target": torch.stack(targets).float(),
        "swap": torch.tensor([one.edit == "swap" for one in injections]),
        "pushed": torch.tensor([one.edit != "add" for one in injections]),
        "mask": mask,
        "in_prompt": mask & (here < torch.tensor([span.prompt_length for span in spans])[:, None]),
        "generated": torch.tensor([[span.generated] for span in spans]),
    }


class Traces(FullPrefill):
    """One nnsight model, and the traces that read, answer and score."""

    def __init__(self, subject: LocalSubject, model: TransformersModel, remote: Remote) -> None:
        super().__init__(subject.model, subject.blocks, subject.engine.ending, subject.identity.name)
        self.traced, self.remote = model, remote
        paths = {id(module): path for path, module in self.model.named_modules()}
        self.envoys = [model.get(paths[id(block)]) for block in self.blocks]
        self.following = [*self.envoys[1:], self._behind(paths[id(self.blocks[0])].rpartition(".")[0])]

    def _behind(self, path: str) -> Any:  # noqa: ANN401 - an envoy, or None
        """Return the norm behind the last block: the first one that its parent has after the list of blocks."""
        parent, _, name = path.rpartition(".")
        children = [child for child, _ in self.model.get_submodule(parent).named_children()]
        norms = [child for child in children[children.index(name) + 1 :] if "norm" in child or child == "ln_f"]
        return self.traced.get(f"{parent}.{norms[0]}") if norms else None

    def sites(self, rows: Sequence[Sequence[Injection]], positions: Tensor) -> list[Site]:
        """Lay out the injections of a batch, in the order in which a pass has them.

        Raises:
            LayerError: The model has no such layer.
        """
        held: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for row, injections in enumerate(rows):
            before: dict[int, int] = {}
            for place, injection in enumerate(injections):
                layer = injection.vector.layer
                if not 0 <= layer < len(self.blocks):
                    raise LayerError(layer, len(self.blocks), self.name)
                held.setdefault((layer, before.get(layer, 0)), []).append((row, place))
                before[layer] = before.get(layer, 0) + 1
        keys = sorted(held)
        found: list[Site] = []
        for key in keys:
            layer, members = key[0], held[key]
            last = (layer, key[1] + 1) not in held
            tensors = _tensors([row for row, _ in members], [rows[row][place] for row, place in members], positions)
            following = self.following[layer] if last else None
            found.append(Site(layer, tuple(members), self.envoys[layer], following, tensors))
        return found

    def audits(
        self, rows: Sequence[Sequence[Injection]], sites: Sequence[Site], sums: Sequence[Tensor], fed: Sequence[int]
    ) -> list[tuple[Audit, ...]]:
        """Return the audits of all rows.

        Args:
            rows: Their injections.
            sites: Where they were made.
            sums: What was measured, for every pass the sites in order.
            fed: Tokens in each row's reply; passes behind the last are not its own any more.

        Raises:
            AuditError: What was measured differs from what was planned.
        """
        total: dict[tuple[int, int], list[float]] = {}
        for index, site in enumerate(sites):
            passes = torch.stack(list(sums[index :: len(sites)]))
            for line, name in enumerate(site.rows):
                total[name] = passes[: max(1, fed[name[0]]), line].sum(dim=0).tolist()
        eps = torch.finfo(self.model.dtype).eps
        return [
            tuple(
                audited(one.vector, one.span, total[row, place], eps, max(0, fed[row] - 1), one.edit)
                for place, one in enumerate(injections)
            )
            for row, injections in enumerate(rows)
        ]

    def _options(self, batch: Batch) -> dict[str, Any]:
        return {"attention_mask": self._there(batch.mask), "remote": self.remote}

    def _there(self, tensor: Tensor) -> Tensor:
        """Put token ids and masks where the model is; where that is another machine, they are sent as they are."""
        return tensor if self.device.type == "meta" else tensor.to(self.device)

    def read(self, batch: Batch) -> Float[Tensor, "row n_layers d_model"]:
        """Read every block's output at the last position; float32 on the CPU."""
        envoys, kept = self.envoys, []
        with self.traced.trace(self._there(batch.ids), **self._options(batch)):
            kept = nnsight.save([])
            for envoy in envoys:
                output = envoy.output
                residual = output[0] if isinstance(output, tuple) else output
                kept.append(residual[:, -1].float().cpu())
        return torch.stack(list(kept), dim=1)

    def _decode(self, requests: Sequence[Request]) -> list[Reply]:
        rows = [Row(index, request) for index, request in enumerate(requests)]
        injections = [request.injections for request in requests]
        batch = left_pad([row.own for row in rows], self.filler)
        sites = self.sites(injections, batch.positions)
        chosen, sums, said = self._generated(requests, batch, sites)
        for row in rows:
            for token in chosen[:, row.index].tolist():
                row.fed.append(token)
                row.finish = self.ending.of(row)
                if row.finish:
                    break
            if row.fed[:-1] != said[row.index, : len(row.fed) - 1].tolist():
                message = f"generation on {self.name} did not go on with the tokens that were chosen for it"
                raise AuditError(message)
        audits = self.audits(injections, sites, sums, [len(row.fed) for row in rows])
        return [self.ending.reply(row, audits[row.index]) for row in rows]

    def _generated(
        self, requests: Sequence[Request], batch: Batch, sites: Sequence[Site]
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        """Run one trace of generation; return the tokens chosen ``[step, row]``, the measurements, and the tokens fed.

        It runs as many steps as the longest reply may have; what lies behind the end of a reply is not looked at.
        """
        n = max(request.max_new_tokens for request in requests)
        hot = torch.tensor([request.temperature > 0 for request in requests])
        warmth = torch.tensor([float(request.temperature) or 1.0 for request in requests])
        numbers = self._numbers(requests, n)
        made, looked, add, push, planned, measured = _MADE, _LOOKED, _ADD, _PUSH, _PLANNED, _MEASURED
        blocks, drawn, draws = _BLOCKS, _DRAWN, bool(hot.any())
        model: Any = self.traced
        places = [(site.block, site.following, dict(site.tensors)) for site in sites]
        options = self._options(batch) | {"max_new_tokens": n, "min_new_tokens": n, "do_sample": False}
        chosen, sums, result = [], [], batch.ids
        with model.generate(self._there(batch.ids), **options) as tracer:
            chosen = nnsight.save([])
            sums = nnsight.save([])
            for step in tracer.iter[:n]:
                for block, following, site in places:
                    edit = made(block.output, site, step == 0, add, push)
                    block.output = edit[0]
                    after = block.output if following is None else following.input
                    sums.append(looked(edit[1], after, site, step == 0, planned, measured))
                output = model.output
                logits = output.logits[:, -1].float()
                tokens = logits.argmax(dim=-1)
                if draws:
                    parts = blocks(logits, warmth.to(logits.device))
                    random = drawn(parts, numbers[:, step].to(logits.device))
                    tokens = torch.where(hot.to(logits.device), random, tokens)
                chosen.append(tokens.cpu())
                forced = torch.full_like(output.logits, torch.finfo(output.logits.dtype).min)
                forced[:, -1] = forced[:, -1].scatter(1, tokens[:, None], 0.0)
                output.logits = forced
                model.output = output
            result = nnsight.save(tracer.result)
        return torch.stack(list(chosen)), list(sums), result[:, batch.ids.shape[1] :].cpu()

    def _numbers(self, requests: Sequence[Request], n: int) -> Tensor:
        """Return the numbers that each row's tokens are drawn with, ``[row, step, number]``; a greedy row's are 0."""
        vocabulary = self.model.config.get_text_config().vocab_size
        found = [gumbels(request.seed, vocabulary, 0, n) if request.temperature else None for request in requests]
        like = next((numbers for numbers in found if numbers is not None), torch.zeros(n, 0))
        return torch.stack([torch.zeros_like(like) if numbers is None else numbers for numbers in found])

    def score(self, queries: Sequence[Query]) -> list[Readout]:
        """Answer queries whose prompts are equally long, in one trace."""
        injections = [query.injections for query in queries]
        batch = left_pad([query.prompt.ids for query in queries], self.filler)
        sites = self.sites(injections, batch.positions)
        columns = sorted({at for query in queries for at in asked(query)})
        layers = {layer for query in queries for layer in query.layers}
        logits, kept, sums = self._scored(batch, sites, columns, layers)
        audits = self.audits(injections, sites, sums, [0] * len(queries))
        answers: list[Readout] = []
        for row, query in enumerate(queries):
            lines = {at: logits[row, columns.index(at)] for at in asked(query)}
            acts = [[kept[layer][row, at] for at in query.at] for layer in query.layers]
            answers.append(readout(query, lines, acts, audits[row]))
        return answers

    def _scored(
        self, batch: Batch, sites: Sequence[Site], columns: Sequence[int], layers: set[int]
    ) -> tuple[Tensor, dict[int, Tensor], list[Tensor]]:
        """Run one trace of one pass; return the logits of some columns, some blocks' outputs, and the measurements."""
        made, looked, add, push, planned, measured = _MADE, _LOOKED, _ADD, _PUSH, _PLANNED, _MEASURED
        places = [(layer, envoy, [(site.following, dict(site.tensors)) for site in sites if site.layer == layer])
                  for layer, envoy in enumerate(self.envoys)]  # fmt: skip
        places = [place for place in places if place[2] or place[0] in layers]
        wanted, at = sorted(layers), list(columns)
        model: Any = self.traced
        logits, kept, sums = batch.ids, {}, []
        with model.trace(self._there(batch.ids), **self._options(batch)):
            kept = nnsight.save({})
            sums = nnsight.save([])
            for layer, block, members in places:
                after = block.output
                for following, site in members:
                    edit = made(block.output, site, True, add, push)
                    block.output = edit[0]
                    after = edit[0]
                    left = block.output if following is None else following.input
                    sums.append(looked(edit[1], left, site, True, planned, measured))
                if layer in wanted:
                    kept[layer] = after[0] if isinstance(after, tuple) else after
            logits = nnsight.save(model.output.logits[:, at])
        return logits, dict(kept), list(sums)
