"""Whether a model can be carried by shared prefixes, found by asking it: the same text both ways, logits compared."""

import torch
from torch import Tensor

from introspect.errors import SubjectError
from introspect.injector import Injector
from introspect.subjects.engine.passes import BUCKET, Pass, grouped
from introspect.subjects.engine.prefixes import CHUNK, Prefixes
from introspect.subjects.engine.runner import Runner

N_PREFIX, N_OWN = CHUNK + 9, 7
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.2, torch.float16: 0.05}
"""Root mean square difference of logits that rounding explains, relative to their spread; a wrong mask gives 1."""


@torch.inference_mode()
def reason_against(runner: Runner, prefixes: Prefixes) -> str | None:
    """Return why a model needs the slower path, or ``None`` where a shared prefix gives the same logits."""
    vocabulary = runner.model.config.get_text_config().vocab_size
    ids = torch.arange(1, N_PREFIX + N_OWN + 2) * 7919 % vocabulary
    try:
        plain = runner.model(input_ids=ids[None].to(runner.device), use_cache=False).logits[0, N_PREFIX + N_OWN - 1 :]
        with runner.ready():
            shared = _through_a_prefix(runner, prefixes, ids)
    except SubjectError as error:
        return str(error)
    except (NotImplementedError, RuntimeError, TypeError, ValueError, AttributeError, KeyError, LookupError) as error:
        return f"it does not run there: {(str(error).strip().splitlines() or [type(error).__name__])[0][:160]}"
    off = float((shared.float() - plain.float().to(shared.device)).square().mean().sqrt() / plain.float().std())
    if not off <= TOLERANCE.get(plain.dtype, 0.2):
        return f"its logits come out different there, by {off:.2g} of their spread"
    return None


def _through_a_prefix(runner: Runner, prefixes: Prefixes, ids: Tensor) -> Tensor:
    """Return the logits after the own tokens of a row, and after one more in a step of decoding."""
    prefix = prefixes.get(tuple(ids[:N_PREFIX].tolist()))
    cache, injector = runner.cache(4), Injector(runner.blocks)
    begins = torch.full((4,), N_PREFIX)
    cache.admit(range(4), [prefix] * 4)
    groups, rows = grouped([prefix] * 4), torch.arange(4)
    own = ids[N_PREFIX : N_PREFIX + N_OWN].repeat(4, 1)
    positions = begins[:, None] + torch.arange(N_OWN)
    pass_ = Pass(positions, begins, groups, rows, 0, N_OWN)
    first = runner.run(own, pass_, cache, injector, lines=(), idle=4)[0, -1].clone()
    pass_ = Pass(begins[:, None] + N_OWN, begins, groups, slice(0, 4), None, BUCKET)
    second = runner.run(ids[-1:].repeat(4, 1), pass_, cache, injector, lines=(), idle=4)
    return torch.stack([first, second[0, -1]])
