"""Read-outs: log-probabilities of options, ranks of words, activations; one pass each, from the injected layer on."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from introspect.injector import Injector
from introspect.records import Audit
from introspect.subjects.engine.passes import Pass, grouped
from introspect.subjects.engine.prefixes import SHORTEST, Prefixes, n_shared
from introspect.subjects.engine.resume import Clean, Staircase
from introspect.subjects.engine.runner import Runner
from introspect.subjects.subject import Query, Readout, Request

TOKENS_AT_ONCE = 1024
LOGITS_AT_ONCE = 1 << 26
"""Most logits in one pass."""
CLEANS_KEPT, CLEAN_BYTES_KEPT = 64, 1 << 30
"""How many clean prompts' outputs are kept for the next queries, and how much of them."""
Twin = tuple[int, tuple[int, ...]]
"""A clean prompt: how many of its tokens are shared, and all of them."""


def n_before(query: Query) -> int:
    """Return how many first tokens are shared: those before the first injection and before all that is read."""
    shared = n_shared(Request(query.prompt, query.injections))
    cut = min(shared, *query.at) if query.reads_positions else shared
    return cut if cut >= SHORTEST else 0


def _twin(query: Query) -> Twin:
    """Name the clean prompt that a query starts from."""
    return n_before(query), query.prompt.ids


class Readouts:
    """The read-outs of one model.

    Args:
        runner: The model.
        prefixes: Its prefixes.
        sharing: Whether it can be carried by shared prefixes; if not, every prompt is run whole.
    """

    def __init__(self, runner: Runner, prefixes: Prefixes, sharing: bool) -> None:
        self._runner, self._prefixes, self._sharing = runner, prefixes, sharing
        self._cleans: OrderedDict[Twin, Clean] = OrderedDict()
        self.evaluated = 0

    @torch.inference_mode()
    def score(self, queries: Sequence[Query]) -> list[Readout]:
        """Answer queries, in order."""
        found: dict[int, Readout] = {}
        for indices, pays in self._batches(queries, self._paying(queries)):
            batch = [queries[i] for i in indices]
            answers = self._shared(batch, pays) if self._sharing else self._whole(batch)
            found.update(zip(indices, answers, strict=True))
        return [found[i] for i in range(len(queries))]

    def _paying(self, queries: Sequence[Query]) -> set[Twin]:
        """Return the clean prompts from which resuming pays: they and what is left of each query are fewer blocks."""
        n_layers = len(self._runner.blocks)
        saved = Counter[Twin]()
        for query in queries if self._sharing else ():
            saved[_twin(query)] += 1 + self._joins(query)
        return {twin for twin, n in saved.items() if n > n_layers}

    def _batches(self, queries: Sequence[Query], paying: set[Twin]) -> list[tuple[list[int], bool]]:
        """Put queries with equally many own tokens together, those of one prompt side by side, and say who resumes."""
        alike: dict[tuple[int, bool, bool], list[int]] = {}
        for index, query in enumerate(queries):
            cut = n_before(query) if self._sharing else 0
            alike.setdefault((len(query.prompt.ids) - cut, cut > 0, _twin(query) in paying), []).append(index)
        batches: list[tuple[list[int], bool]] = []
        vocabulary = self._runner.model.config.get_text_config().vocab_size
        for (length, _, pays), members in alike.items():
            members.sort(key=lambda i: (queries[i].prompt.ids, self._joins(queries[i])))
            most = max(len(queries[i].at) for i in members) + 1
            n = max(1, min(TOKENS_AT_ONCE // length, LOGITS_AT_ONCE // (most * vocabulary)))
            batches += [(members[start : start + n], pays) for start in range(0, len(members), n)]
        return batches

    def _joins(self, query: Query) -> int:
        n_layers = len(self._runner.blocks)
        return min((injection.vector.layer for injection in query.injections), default=n_layers - 1)

    def _shared(self, queries: Sequence[Query], resume: bool) -> list[Readout]:
        """Run queries behind their prefixes; with ``resume`` each from its injected layer on."""
        order = sorted(range(len(queries)), key=lambda i: self._joins(queries[i]) if resume else i)
        rows = [queries[i] for i in order]
        with self._runner.ready():
            cleans = self._clean(rows) if resume else [self._unread(row) for row in rows]
            stairs = Staircase(cleans, [self._joins(row) if resume else -1 for row in rows])
            answers = self._passed(rows, cleans, stairs)
        self.evaluated += stairs.evaluated
        back = dict(zip(order, answers, strict=True))
        return [back[i] for i in range(len(queries))]

    def _unread(self, query: Query) -> Clean:
        """Return a query's prefix and own tokens, with no clean outputs: nothing will join them."""
        cut = n_before(query)
        prefix = self._prefixes.get(query.prompt.ids[:cut])
        return Clean(prefix, query.prompt.ids[cut:], torch.zeros(0, 0, 0), ())

    def _passed(self, rows: Sequence[Query], cleans: Sequence[Clean], stairs: Staircase) -> list[Readout]:
        injector = Injector(self._runner.blocks, [row.injections for row in rows], self._runner.name)
        begins = torch.tensor([clean.prefix.length for clean in cleans])
        n_own = len(cleans[0].own)
        positions = begins[:, None] + torch.arange(n_own)
        pass_ = Pass(positions, begins, grouped([clean.prefix for clean in cleans]), None, 0, n_own)
        columns = sorted({at - clean.prefix.length for row, clean in zip(rows, cleans, strict=True)
                          for at in asked(row)})  # fmt: skip
        cache = self._runner.cache()
        ids = torch.tensor([clean.own for clean in cleans])
        with ExitStack() as stack:
            if len(cleans[0].outputs):
                stack.enter_context(stairs.installed(self._runner.blocks))
            stack.enter_context(injector)
            seen = stack.enter_context(_Watch(self._runner.blocks, {layer for row in rows for layer in row.layers}))
            logits = self._runner.run(
                ids, pass_, cache, injector,
                states=stairs.states(cache.recurrent_layers), keep=torch.tensor(columns),
            )  # fmt: skip
        if not len(cleans[0].outputs):
            stairs.evaluated += len(self._runner.blocks) * ids.numel()
        answers: list[Readout] = []
        for row, (query, clean) in enumerate(zip(rows, cleans, strict=True)):
            cut, joined = clean.prefix.length, stairs.joins[row]
            outputs = {
                layer: seen.outputs[layer][row] if layer >= joined else clean.outputs[layer] for layer in query.layers
            }
            lines = {at: logits[row, columns.index(at - cut)] for at in asked(query)}
            acts = [[outputs[layer][at - cut] for at in query.at] for layer in query.layers]
            answers.append(readout(query, lines, acts, injector.drop(row, 0)))
        return answers

    def _clean(self, queries: Sequence[Query]) -> list[Clean]:
        """Return the clean twin of each query; those that are not kept are computed together."""
        twins = [_twin(query) for query in queries]
        missing = [twin for twin in dict.fromkeys(twins) if twin not in self._cleans]
        self._cleans.update(zip(missing, self._computed(missing), strict=True))
        found = [self._cleans[twin] for twin in twins]
        for twin in twins:
            self._cleans.move_to_end(twin)
        n_bytes = sum(clean.outputs.nbytes for clean in self._cleans.values())
        while len(self._cleans) > CLEANS_KEPT or n_bytes > CLEAN_BYTES_KEPT:
            n_bytes -= self._cleans.popitem(last=False)[1].outputs.nbytes
        return found

    def _computed(self, twins: Sequence[Twin]) -> list[Clean]:
        """Run clean prompts with equally many own tokens, and keep what every block puts out."""
        if not twins:
            return []
        blocks = self._runner.blocks
        prefixes = [self._prefixes.get(ids[:cut]) for cut, ids in twins]
        own = [ids[cut:] for cut, ids in twins]
        begins = torch.tensor([prefix.length for prefix in prefixes])
        positions = begins[:, None] + torch.arange(len(own[0]))
        pass_ = Pass(positions, begins, grouped(prefixes), None, 0, len(own[0]))
        cache = self._runner.cache()
        bare = [Clean(prefix, mine, torch.zeros(0, 0, 0), ()) for prefix, mine in zip(prefixes, own, strict=True)]
        states = Staircase(bare, [-1] * len(bare)).states(cache.recurrent_layers)
        with _Watch(blocks, set(range(len(blocks)))) as seen:
            self._runner.run(torch.tensor(own), pass_, cache, Injector(blocks), lines=(), idle=len(own), states=states)
        self.evaluated += len(blocks) * positions.numel()
        outputs = [seen.outputs[layer].to(self._runner.device) for layer in range(len(blocks))]
        tupled = tuple(seen.tupled[layer] for layer in range(len(blocks)))
        return [
            Clean(prefix, mine, torch.stack([output[row] for output in outputs]), tupled)
            for row, (prefix, mine) in enumerate(zip(prefixes, own, strict=True))
        ]

    def _whole(self, queries: Sequence[Query]) -> list[Readout]:
        """Run prompts of equal length whole, without a prefix and without resuming."""
        model, blocks = self._runner.model, self._runner.blocks
        ids = torch.tensor([query.prompt.ids for query in queries])
        injector = Injector(blocks, [query.injections for query in queries], self._runner.name)
        with injector, _Watch(blocks, {layer for query in queries for layer in query.layers}) as seen:
            injector.at(torch.arange(ids.shape[1]).expand(len(ids), -1))
            logits = model(input_ids=ids.to(self._runner.device), use_cache=False).logits
        self.evaluated += len(blocks) * ids.numel()
        answers: list[Readout] = []
        for row, query in enumerate(queries):
            lines = {at: logits[row, at] for at in asked(query)}
            acts = [[seen.outputs[layer][row, at] for at in query.at] for layer in query.layers]
            answers.append(readout(query, lines, acts, injector.drop(row, 0)))
        return answers

    def clear(self) -> None:
        """Let every clean prompt go."""
        self._cleans.clear()


class _Watch:
    """Keeps what some blocks put out in one pass, injections included: its hooks come behind those that are there."""

    def __init__(self, blocks: Sequence[nn.Module], layers: set[int]) -> None:
        self._blocks, self._layers = blocks, layers
        self.outputs: dict[int, Tensor] = {}
        self.tupled: dict[int, bool] = {}

    def __enter__(self) -> "_Watch":
        self._handles = [self._blocks[layer].register_forward_hook(self._keep(layer)) for layer in self._layers]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _keep(self, layer: int) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, args: object, output: Any) -> None:  # noqa: ANN401 - blocks return what they like
            self.tupled[layer] = isinstance(output, tuple)
            self.outputs[layer] = output[0] if isinstance(output, tuple) else output

        return hook


def asked(query: Query) -> set[int]:
    """Return the positions whose logits are needed; the last one's if none is, since a model gives some."""
    last = len(query.prompt.ids) - 1
    lines = bool(query.words or query.next_token or query.whole or query.reference is not None)
    return {*(query.at if lines else ()), *((last,) if query.options or not lines else ())}


def readout(
    query: Query, logits: dict[int, Tensor], acts: Sequence[Sequence[Tensor]], audits: tuple[Audit, ...]
) -> Readout:
    """Turn what a pass gave into the answer to a query.

    Args:
        query: What was asked.
        logits: The logits after each position that ``asked`` names.
        acts: For each of the query's layers the activations at its positions.
        audits: One for each injection.
    """
    logs = {at: torch.log_softmax(line.float(), dim=-1).cpu() for at, line in logits.items()}
    last, at, ids = len(query.prompt.ids) - 1, query.at, query.prompt.ids
    options = torch.tensor([float(logs[last][list(tokens)].logsumexp(dim=0)) for tokens in query.options])
    ranks, chosen = torch.zeros(0, len(at), dtype=torch.long), torch.zeros(0, len(at))
    if query.words:
        lines = torch.stack([logs[position] for position in at])
        chosen = lines[:, list(query.words)].T
        ranks = 1 + (lines[None] > chosen[..., None]).sum(dim=-1)
    whole = torch.stack([logs[position] for position in at]) if query.whole or query.reference is not None else None
    return Readout(
        query=query,
        option_logprobs=options,
        option_mass=float(options.exp().sum()),
        ranks=ranks,
        logprobs=chosen,
        activations=_stacked(acts, len(at)),
        next_logprobs=torch.tensor([float(logs[i][ids[i + 1]]) for i in at] if query.next_token else []),
        distribution=whole if query.whole else None,
        divergence=None if query.reference is None or whole is None else _divergence(query.reference, whole),
        audits=audits,
    )


def _divergence(reference: Tensor, other: Tensor) -> Tensor:
    """Return the divergence of the second distribution from the first, position by position, in nats."""
    return (reference.exp() * (reference - other)).sum(dim=-1).clamp(min=0.0)


def _stacked(acts: Sequence[Sequence[Tensor]], n_positions: int) -> Tensor:
    if not acts:
        return torch.zeros(0, n_positions, 0)
    return torch.stack([torch.stack([line.float().cpu() for line in layer]) for layer in acts])
