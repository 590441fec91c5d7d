"""Independent witnesses: what enters and leaves the blocks, and what a plain model without engine would answer.

Nothing here uses the package's injector, engine, spans or batches, so that they can be checked against it.
"""

from contextlib import ExitStack, contextmanager

import tiny

FINAL_NORM = {
    "model.layers": "model.norm",
    "transformer.h": "transformer.ln_f",
    "gpt_neox.layers": "gpt_neox.final_layer_norm",
    "backbone.layers": "backbone.norm_f",
}


def hidden(value):
    """The residual stream in what a block takes or returns, alone or first of a tuple."""
    return value[0] if isinstance(value, tuple) else value


class Tap:
    """Around one layer: ``before`` is what its block returns, ``after`` what the next module gets, pass by pass.

    Enter it before the injector: hooks run in the order of registration, so ``before`` is not edited yet.
    """

    def __init__(self, model, layer: int) -> None:
        path = tiny.FAMILIES[model.config.model_type][1]
        stack = tiny.blocks(model)
        following = [*stack[1:], model.get_submodule(FINAL_NORM[path])][layer]
        self.before, self.after = [], []
        self._modules = stack[layer], following

    def __enter__(self) -> "Tap":
        block, following = self._modules
        self._handles = [
            block.register_forward_hook(lambda module, args, out: self.before.append(hidden(out).clone())),
            following.register_forward_pre_hook(lambda module, args: self.after.append(hidden(args[0]).clone())),
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()


@contextmanager
def taps(model):
    """A tap at every layer."""
    with ExitStack() as stack:
        yield [stack.enter_context(Tap(model, layer)) for layer in range(tiny.N_LAYERS)]


@contextmanager
def last_logits(model):
    """The logits at the last position, one tensor [row, vocabulary] for every forward pass."""
    seen = []
    handle = model.register_forward_hook(lambda module, args, out: seen.append(out.logits[:, -1].clone()))
    try:
        yield seen
    finally:
        handle.remove()


class Followed:
    """One request through the engine: what enters and leaves each layer's edit, by layer and absolute position.

    ``before[layer][position]`` and ``after[layer][position]`` are there after the block.
    """

    def __init__(self, subject) -> None:
        assert subject.engine.reason is None  # asked now, so that asking is not among the passes
        subject.engine.prefixes.clear()
        self._runner, self._model, self._passes = subject.engine.runner, subject.model, []
        self.before = [{} for _ in range(tiny.N_LAYERS)]
        self.after = [{} for _ in range(tiny.N_LAYERS)]

    def __enter__(self) -> "Followed":
        run = self._runner.run

        def recorded(ids, pass_, *args, **options):
            self._passes.append(pass_.positions[0].tolist())
            return run(ids, pass_, *args, **options)

        self._runner.run = recorded
        self._stack = ExitStack()
        self._taps = [self._stack.enter_context(Tap(self._model, layer)) for layer in range(tiny.N_LAYERS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        del self._runner.run
        for layer, tap in enumerate(self._taps):
            for positions, before, after in zip(self._passes, tap.before, tap.after, strict=True):
                assert not set(positions) & set(self.before[layer])  # no position is computed twice
                self.before[layer].update(zip(positions, before[0], strict=True))
                self.after[layer].update(zip(positions, after[0], strict=True))

    def edited(self, layer: int) -> list[int]:
        """The positions at which the stream left the layer changed."""
        before, after = self.before[layer], self.after[layer]
        return sorted(position for position in before if (before[position] != after[position]).any())


@contextmanager
def told(subject, ids):
    """Make the subject say these tokens, whatever it would say."""
    ending = subject.engine.ending
    choose = ending.take

    def take(rows, logits):
        logits = logits.clone()
        for row, line in zip(rows, logits, strict=True):
            line[ids[len(row.fed)]] = 1e4
        return choose(rows, logits)

    ending.take = take
    try:
        yield
    finally:
        del ending.take


@contextmanager
def taken(subject):
    """The logits that each request's tokens were chosen from: one tensor a token, by the request's index."""
    ending, seen = subject.engine.ending, {}
    choose = ending.take

    def take(rows, logits):
        for row, line in zip(rows, logits, strict=True):
            seen.setdefault(row.index, []).append(line.clone())
        return choose(rows, logits)

    ending.take = take
    try:
        yield seen
    finally:
        del ending.take


def n_hooks(model) -> int:
    """All forward hooks and pre-hooks on the model."""
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


def delta_at(injection, position: int):
    """What an injection adds at an absolute position, or ``None``."""
    span = injection.span
    listed = {i for start, stop in span.prompt for i in range(start, stop)}
    if position in listed or (span.generated and position >= span.prompt_length):
        return injection.vector.direction * injection.vector.strength
    return None


def position_of(requests, row: int, step: int, column: int) -> int:
    """The absolute position in a row of one column of a pass: rows end at the right edge, then one token a pass."""
    n = len(requests[row].prompt.ids)
    return n + step - 1 if step else column - (max(len(request.prompt.ids) for request in requests) - n)


def edited(before, requests, layer: int, step: int):
    """What should leave a layer in pass ``step`` of a batch in which no row ends early."""
    out = before.clone()
    for row, request in enumerate(requests):
        for column in range(before.shape[1]):
            position = position_of(requests, row, step, column)
            for injection in request.injections:
                delta = delta_at(injection, position)
                if injection.vector.layer == layer and position >= 0 and delta is not None:
                    out[row, column] += delta.to(out.dtype)
    return out


@contextmanager
def added(model, injections):
    """Hooks of our own that add the injections to one row that stands alone, its first token at position 0."""

    def adder(injection):
        def hook(module, args, out):
            changed = hidden(out).clone()
            for position in range(changed.shape[1]):
                delta = delta_at(injection, position)
                if delta is not None:
                    changed[0, position] += delta
            return (changed, *out[1:]) if isinstance(out, tuple) else changed

        return hook

    stack = tiny.blocks(model)
    handles = [stack[injection.vector.layer].register_forward_hook(adder(injection)) for injection in injections]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def one_pass(model, request, reply):
    """The logits after the prompt and after each reply token but the last, from one forward pass without a cache."""
    import torch

    ids = torch.tensor([[*request.prompt.ids, *reply[:-1]]])
    with torch.inference_mode(), added(model, request.injections):
        return model(input_ids=ids, use_cache=False).logits[0, -len(reply) :]


def greedy(model, request):
    """The reply of the plain model: one row, no cache, no mask, the whole text again for every token."""
    reply = []
    while len(reply) < request.max_new_tokens:
        reply.append(int(one_pass(model, request, [*reply, 0])[-1].argmax()))
    return tuple(reply)
