"""Tiny random models of several families with tokenizers of several kinds, built offline, kept for the session.

Four layers of width 32. The weights are drawn wide enough that attention is sharp: at the usual initial scale a token
hardly looks at the others, and a wrong position or a padding token that is attended to would go unnoticed.
Nothing here imports torch, transformers or introspect before a test asks for it.
"""

import atexit
import functools
import json
import tempfile
import zlib
from pathlib import Path

N_LAYERS, D_MODEL, N_CONTEXT = 4, 32, 256

TEXTS = (
    "Good, here we go.\n\nTrial 1: Is there an injected thought? If there is, which word is it about?",
    "Please tell me something about bread. Bread is baked from flour, water and salt.",
    "I do not notice an injected thought. The thought is about the ocean.",
    "user system assistant model\n\nYes, I notice it: the word is silver.\n\nTrial 2:  two    blanks.",
)

LIKE_LLAMA_3 = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""How Llama 3 splits a text: a line end after a full stop goes with it."""

CHATML = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou help.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
HEADERS = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start|>' + m['role'] + '<|end|>\n\n' }}"
    "{{ m['content'] | trim + '<|eot|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant<|end|>\n\n' }}{% endif %}"
)
TURNS = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else 'user') + '\n' + m['content'] | trim }}"
    "{{ '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
KINDS = {
    "gemma": (["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"], TURNS),
    "llama": (["<|begin|>", "<|stop|>", "<|start|>", "<|end|>", "<|eot|>"], HEADERS),
    "smollm2": (["<|endoftext|>", "<|im_start|>", "<|im_end|>"], CHATML),
}
"""Special tokens and chat template. gemma: the post-processor puts <bos>, the template has no system role. llama: the
template spells the BOS out, and the post-processor would put another. smollm2: no BOS is put, and pad, end of text and
end of turn are one token."""

WIDTHS = {"hidden_size": D_MODEL, "intermediate_size": 48, "num_hidden_layers": N_LAYERS, "num_attention_heads": 4}
GROUPED = {**WIDTHS, "num_key_value_heads": 2, "max_position_embeddings": N_CONTEXT}
WINDOW = {"head_dim": 8, "sliding_window": 7}
MIXED = ["sliding_attention", "full_attention"] * 2
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
FAMILIES = {
    "llama": ("llama", "model.layers", GROUPED),
    "gpt2": (
        "smollm2",
        "transformer.h",
        {"n_embd": D_MODEL, "n_layer": N_LAYERS, "n_head": 4, "n_positions": N_CONTEXT},
    ),
    "gpt_neox": ("smollm2", "gpt_neox.layers", {**WIDTHS, "max_position_embeddings": N_CONTEXT}),
    "qwen3": ("smollm2", "model.layers", {**GROUPED, "head_dim": 8}),
    "gemma2": ("gemma", "model.layers", {**GROUPED, **WINDOW, "query_pre_attn_scalar": 8}),
    "gemma3_text": (
        "gemma",
        "model.layers",
        {**GROUPED, **WINDOW, "query_pre_attn_scalar": 8, "layer_types": MIXED},
    ),
    "mistral": ("llama", "model.layers", {**GROUPED, **WINDOW}),
    "qwen2": ("smollm2", "model.layers", GROUPED),
    "phi3": ("smollm2", "model.layers", GROUPED),
    "olmo3": ("smollm2", "model.layers", {**GROUPED, "sliding_window": 7, "layer_types": MIXED}),
    "gpt_oss": ("smollm2", "model.layers", {**GROUPED, **WINDOW, **EXPERTS, "layer_types": MIXED}),
    "qwen3_next": (
        "smollm2",
        "model.layers",
        {
            **GROUPED,
            "head_dim": 8,
            "layer_types": ["linear_attention"] * 3 + ["full_attention"],
            **dict.fromkeys(("linear_num_value_heads", "linear_num_key_heads"), 4),
            **dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim"), 8),
            "num_experts": 4,
            "num_experts_per_tok": 2,
            **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 16),
        },
    ),
    "kimi_linear": (
        "smollm2",
        "model.layers",
        {
            **GROUPED,
            **EXPERTS,
            "num_key_value_heads": 4,
            "moe_intermediate_size": 16,
            "kv_lora_rank": 16,
            **dict.fromkeys(("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim", "linear_head_dim"), 8),
            "v_head_dim": 6,
            "linear_num_heads": 4,
            "layer_types": ["linear_attention", "full_attention"] * 2,
        },
    ),
    "mamba2": (
        "smollm2",
        "backbone.layers",
        {
            "hidden_size": D_MODEL,
            "state_size": 8,
            "num_hidden_layers": N_LAYERS,
            "num_heads": 8,
            "head_dim": 8,
            "expand": 2,
            "n_groups": 2,
            "chunk_size": 8,
        },
    ),
}
"""Tokenizer kind, where the blocks are, and configuration of each family; attention windows are shorter than any
prompt of the tests."""


@functools.cache
def home() -> Path:
    """The session's folder."""
    folder = tempfile.TemporaryDirectory(prefix="introspect-tiny-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


@functools.cache
def tokenizer(kind: str, template: bool = True):
    """A byte-level or sentencepiece-like BPE tokenizer; ``template=False`` leaves the chat template out."""
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )
    from transformers import PreTrainedTokenizerFast

    specials, chat_template = KINDS[kind]
    tok = Tokenizer(models.BPE())
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if kind == "gemma":  # no pre-tokenizer: a token may join words and line ends
        alphabet = [chr(code) for code in range(32, 127)]
        tok.normalizer = normalizers.Replace(" ", "▁")
        tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    else:
        split = [pre_tokenizers.Split(Regex(LIKE_LLAMA_3), "isolated")] if kind == "llama" else []
        tok.pre_tokenizer = pre_tokenizers.Sequence([*split, pre_tokenizers.ByteLevel(False, use_regex=not split)])
        tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=len(alphabet) + 120,
        min_frequency=1,
        show_progress=False,
        special_tokens=[AddedToken(token, normalized=False) for token in specials],
        initial_alphabet=alphabet,
        max_token_length=6,
    )
    tok.train_from_iterator(TEXTS, trainer)
    tok = _with_byte_fallback(tok) if kind == "gemma" else tok
    named = _named(kind)
    if kind == "smollm2":
        tok.post_processor = processors.ByteLevel(trim_offsets=True)
    else:
        bos = named["bos_token"]
        tok.post_processor = processors.TemplateProcessing(f"{bos} $A", special_tokens=[(bos, tok.token_to_id(bos))])
    fast = PreTrainedTokenizerFast(tokenizer_object=tok, **named)
    fast.chat_template = chat_template if template else None
    return fast


def _with_byte_fallback(tok):
    """The same tokenizer with a token for every byte, for characters that it has not seen."""
    from tokenizers import Tokenizer

    state = json.loads(tok.to_str())
    vocabulary = state["model"]["vocab"]
    vocabulary.update({f"<0x{byte:02X}>": len(vocabulary) + byte for byte in range(256)})
    state["model"]["byte_fallback"] = True
    return Tokenizer.from_str(json.dumps(state))


def _named(kind: str) -> dict[str, str]:
    if kind == "gemma":
        return {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>"}
    if kind == "llama":
        return {"bos_token": "<|begin|>", "eos_token": "<|stop|>"}
    return {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}


@functools.cache
def folder(family: str, template: bool = True) -> Path:
    """A saved random model of a family with its tokenizer, built on the first call of the session."""
    kind = FAMILIES[family][0]
    return saved(family, tokenizer(kind, template), home() / (family if template else f"{family}-base"))


def saved(family: str, words, path: Path, **changes) -> Path:
    """Save a random model of a family with a tokenizer; ``changes`` are to its configuration."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    widths = FAMILIES[family][2] | changes
    ids = {name: getattr(words, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    config = AutoConfig.for_model(family, vocab_size=len(words), tie_word_embeddings=False, **widths, **ids)
    with torch.random.fork_rng():
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    _draw(model, zlib.crc32(family.encode()), sorted({words.eos_token_id, *words.added_tokens_decoder}))
    model.save_pretrained(path)
    words.save_pretrained(path)
    return path


def _draw(model, seed: int, silent: list[int]) -> None:
    """Draw all weights from one generator; special tokens get a logit of zero, so that greedy replies go on."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            noise = torch.randn(weight.shape, generator=generator)
            if weight.ndim == 1:
                weight.add_(0.2 * noise)  # a norm's scale stays near what it was, a bias near zero
            else:
                weight.copy_(noise * (1.0 if "emb" in name or "wte" in name else 0.25))
        model.get_output_embeddings().weight[silent] = 0


def load(family: str, template: bool = True, dtype: str = "float32"):
    """A subject of its own, for tests that change it."""
    from introspect.subjects.load import load_subject

    return load_subject(folder(family, template), device="cpu", dtype=dtype)


@functools.cache
def subject(family: str, dtype: str = "float32", way: str = "auto"):
    """The session's subject of a family; whoever uses it leaves it as it was."""
    from introspect.subjects.local import LocalSubject

    if way == "auto":
        return load(family, dtype=dtype)
    one = subject(family, dtype)
    return LocalSubject(one.model, one.chat, one.identity, way)


def close(subject) -> dict[str, float]:
    """How near float32 numbers must be, for these weights, which are drawn to be sharp; most families keep to 1e-5.

    Qwen3-Next sums its recurrence in another order in a chunk and in a step, and differs more.
    """
    return {"atol": 5e-3 if subject.model.config.model_type == "qwen3_next" else 5e-4, "rtol": 0.0}


def blocks(model) -> list:
    """The decoder blocks, by the path written down above and not by the package's own search."""
    return list(model.get_submodule(FAMILIES[model.config.model_type][1]))


def vector(subject, layer: int, seed: int = 0, norm: float = 6.0):
    """A random vector that belongs to the subject, about as long as its residual stream."""
    import torch

    from introspect.vectors.vector import ConceptVector

    noise = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(1000 * layer + seed))
    direction = noise * (norm / noise.norm())
    return ConceptVector(f"random {seed}", direction, layer, subject.identity.fingerprint, "drawn by a test")


MARKED = (
    "Good, here we go.{{trial}}\n\nTrial 1: Is there an injected thought?",
    "Go.{{trial}} Which word?",
    "I look at what happens inside. Please tell me something about bread.{{trial}}\n\nTrial 2: what{{/trial}} is it?",
)
"""Questions of different lengths; the last one's span ends before the prompt does."""


def request(subject, text: str = MARKED[0], *vectors, where: str = "both", **options):
    """A greedy request of eight tokens, with each vector on the span marked ``trial``."""
    from introspect.injection import Injection
    from introspect.stimuli import Turn
    from introspect.subjects.subject import Request

    prompt = subject.chat.encode([Turn(role="user", text=text)])
    injections = tuple(Injection(vector, prompt.span("trial", where)) for vector in vectors)
    return Request(prompt, injections, **{"max_new_tokens": 8, "temperature": 0.0, **options})
