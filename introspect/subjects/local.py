"""A subject in this process: the plain Hugging Face module, its tokenizer, and the engine."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from introspect.errors import InjectionActiveError, LayerError, SubjectError, VectorMismatchError
from introspect.injection import Injection
from introspect.injector import is_active
from introspect.progress import Advance, silent
from introspect.records import Backend, SubjectIdentity, Where
from introspect.subjects.blocks import decoder_blocks, final_norm
from introspect.subjects.chat import Chat, Encoded
from introspect.subjects.engine.batch import left_pad
from introspect.subjects.engine.engine import Engine
from introspect.subjects.subject import Query, Readout, Reply, Request
from introspect.vectors.vector import ConceptVector

READ_BATCH = 32


class LocalSubject:
    """A loaded model: read it, ask it, inject into it; ``backend`` names the library that carries it.

    Args:
        model: A Hugging Face causal language model in evaluation mode, wherever its layers are.
        chat: Its tokenizer.
        identity: What goes into every record.
        way: How the engine runs it; ``auto`` shares prefixes where the model gives the same logits so.
    """

    backend: ClassVar[Backend] = "hf"

    def __init__(
        self,
        model: PreTrainedModel,
        chat: Chat,
        identity: SubjectIdentity,
        way: Literal["auto", "full prefill"] = "auto",
    ) -> None:
        self.model, self.chat, self.identity = model, chat, identity
        self.blocks = decoder_blocks(model)
        self.engine = Engine(model, self.blocks, chat, _stop_tokens(model, chat), identity.name, way)

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks."""
        return self.identity.n_layers

    @torch.inference_mode()
    def read(self, prompts: Sequence[str], progress: Advance = silent) -> Float[Tensor, "n_prompts n_layers d_model"]:
        """Read every block's output at the last token of each prompt, put as a user's turn; float32 on the CPU.

        Raises:
            InjectionActiveError: Something is being added to the activations.
        """
        if is_active(self.blocks):
            raise InjectionActiveError
        encoded = [self.chat.ask(prompt) for prompt in prompts]
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i].ids))
        out = torch.zeros(len(prompts), self.n_layers, self.identity.d_model)
        for group in self._read_groups(order, encoded):
            out[group] = self._read_batch([encoded[i] for i in group])
            progress(len(group))
        return out

    def _read_groups(self, order: Sequence[int], encoded: Sequence[Encoded]) -> list[list[int]]:
        groups: list[list[int]] = []
        for index in order:
            fits = groups and len(groups[-1]) < READ_BATCH
            same = groups and len(encoded[groups[-1][0]].ids) == len(encoded[index].ids)
            if fits and (self.engine.full.takes_positions or same):
                groups[-1].append(index)
            else:
                groups.append([index])
        return groups

    def _read_batch(self, rows: Sequence[Encoded]) -> Float[Tensor, "row n_layers d_model"]:
        out = torch.zeros(len(rows), self.n_layers, self.identity.d_model)

        def keep(layer: int) -> Callable[[nn.Module, Any, Any], None]:
            def hook(module: nn.Module, args: object, output: Any) -> None:  # noqa: ANN401 - blocks differ
                residual = output[0] if isinstance(output, tuple) else output
                out[:, layer] = residual[:, -1].float().cpu()

            return hook

        handles = [block.register_forward_hook(keep(layer)) for layer, block in enumerate(self.blocks)]
        try:
            with self.engine.runner.products.installed():
                self.engine.full.forward(left_pad([row.ids for row in rows], self.engine.full.filler), None)
        finally:
            for handle in handles:
                handle.remove()
        return out

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer requests, in order.

        Raises:
            VectorMismatchError: A vector comes from another subject.
            SubjectError: A prompt with its reply is longer than the model's context.
        """
        self._check(requests)
        return self.engine.generate(requests)

    def stream(self, requests: Sequence[Request], width: int | None = None) -> Iterator[tuple[int, Reply]]:
        """Answer requests; yield ``(index, reply)`` as they finish. See ``generate`` and ``Engine.stream``."""
        self._check(requests)
        return self.engine.stream(requests, width)

    def _check(self, requests: Sequence[Request]) -> None:
        for request in requests:
            self._check_vectors(request.injections)
            self.check_room(len(request.prompt.ids), request.max_new_tokens)

    def check_room(self, n_prompt: int, n_new: int) -> None:
        """Raise ``SubjectError`` if a prompt and a reply of so many tokens are longer than the model's context."""
        limit = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if limit and n_prompt + n_new > limit:
            message = (
                f"a prompt of {n_prompt} tokens and a reply of {n_new} exceed the context of {self.identity.name}, "
                f"{limit} tokens"
            )
            raise SubjectError(message)

    def _check_vectors(self, injections: Sequence[Injection]) -> None:
        for vector in (injection.vector for injection in injections):
            if vector.subject != self.identity.fingerprint:
                raise VectorMismatchError(vector.concept, vector.subject, self.identity.fingerprint)

    def score(self, queries: Sequence[Query]) -> list[Readout]:
        """Read log-probabilities of options, ranks of words and activations off prompts, in order.

        A trial starts at the layer that is injected, from the clean outputs of its prompt, which are computed once.

        Raises:
            VectorMismatchError: A vector comes from another subject.
            LayerError: A layer to read that the subject does not have.
            SpanError: A position outside the prompt.
            SubjectError: A prompt is longer than the model's context.
        """
        for query in queries:
            self._check_vectors(query.injections)
            self.check_room(len(query.prompt.ids), 0)
            for layer in query.layers:
                if not 0 <= layer < self.n_layers:
                    raise LayerError(layer, self.n_layers, self.identity.name)
        return self.engine.score(queries)

    def ask(
        self,
        text: str,
        *,
        inject: Sequence[ConceptVector] = (),
        where: Where = "both",
        seed: int = 0,
        temperature: float = 1.0,
        max_new_tokens: int = 100,
    ) -> Reply:
        """Ask one question while vectors are added to the prompt, to the reply, or (by default) to both.

        >>> subject.ask("Do you notice an injected thought?", inject=[bread * 4.0], seed=0)  # doctest: +SKIP
        """
        prompt = self.chat.ask(text)
        injections = tuple(Injection(vector, prompt.everywhere(where)) for vector in inject)
        return self.generate([Request(prompt, injections, max_new_tokens, temperature, seed)])[0]

    @torch.inference_mode()
    def top_tokens(self, direction: Float[Tensor, " d_model"], n: int = 8) -> list[str]:
        """Return the tokens whose unembedding a direction points to most (the final norm's scale left out)."""
        head = self.model.get_output_embeddings()
        scores = head.weight @ direction.to(head.weight)  # pyright: ignore
        return [self.chat.tokenizer.decode([i]) for i in scores.float().topk(n).indices.tolist()]  # pyright: ignore

    @torch.inference_mode()
    def lens(self, rows: Float[Tensor, "row d_model"], tokens: Sequence[int]) -> Float[Tensor, "row token"]:
        """Return some tokens' logits as if rows of the residual stream came from the last block: the logit lens.

        A few rows at a time are put over the whole vocabulary. On the CPU in float32; a cap on the final logits is left
        out, as it does not change their order.

        Source: nostalgebraist (2020), interpreting GPT: the logit lens.
        """
        head: Any = self.model.get_output_embeddings()
        norm = final_norm(self.model, self.blocks)
        at = next((each.device for each in norm.parameters()), head.weight.device)
        parts = (norm(part.to(at, self.model.dtype)).to(head.weight.device) for part in rows.split(READ_BATCH))
        return torch.cat([head(part)[:, list(tokens)].float().cpu() for part in parts])

    def weight_bytes(self) -> int:
        """Return the size of the weights in memory, shared tensors counted once."""
        return sum({p.data_ptr(): p.nbytes for p in self.model.parameters()}.values())

    def cache_bytes_per_token(self) -> int:
        """Return what one more token in the key–value cache takes, full attention in every layer assumed."""
        config = self.model.config.get_text_config()
        n_heads = config.num_attention_heads
        n_key_value = getattr(config, "num_key_value_heads", None) or n_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // n_heads
        return 2 * config.num_hidden_layers * n_key_value * width * self.model.dtype.itemsize


def _stop_tokens(model: PreTrainedModel, chat: Chat) -> frozenset[int]:
    """Collect every token that ends a reply: the model's, the tokenizer's, and the template's end of turn."""
    eos: Any = getattr(model.generation_config, "eos_token_id", None)
    found = [*(eos if isinstance(eos, list) else [eos]), chat.tokenizer.eos_token_id, *chat.end_of_turn()]
    return frozenset(int(token) for token in found if token is not None)
