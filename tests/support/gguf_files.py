"""Small GGUF files with random weights and a byte-level tokenizer, written by the format's own library."""

from pathlib import Path

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
WIDTH, FORWARD, N_LAYERS, N_HEADS, N_KEY_VALUE = 32, 64, 4, 4, 2


def byte_alphabet() -> list[str]:
    """The 256 characters that stand for the bytes in GPT-2's vocabulary."""
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def write_gguf(path: Path, architecture: str = "qwen2", template: str | None = CHATML, seed: int = 0) -> Path:
    """Write a model of the Llama or Qwen2 kind; without a template it is a base model."""
    import gguf

    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(N_LAYERS)
    writer.add_context_length(2048)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(FORWARD)
    writer.add_head_count(N_HEADS)
    writer.add_head_count_kv(N_KEY_VALUE)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    _add_tokenizer(writer, template)
    _add_tensors(writer, architecture, seed)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer, template: str | None) -> None:
    import gguf

    tokens = [*byte_alphabet(), "Ġt", "Ġa", "he", *SPECIAL]
    first_special = len(tokens) - len(SPECIAL)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    normal, control = int(gguf.TokenType.NORMAL), int(gguf.TokenType.CONTROL)
    writer.add_token_types([normal if i < first_special else control for i in range(len(tokens))])
    writer.add_token_merges(["Ġ t", "Ġ a", "h e"])
    writer.add_bos_token_id(first_special)
    writer.add_eos_token_id(first_special + (2 if template else 0))
    writer.add_pad_token_id(first_special)
    if template:
        writer.add_chat_template(template)


def _add_tensors(writer, architecture: str, seed: int) -> None:
    import numpy as np

    random = np.random.default_rng(seed)
    head = WIDTH // N_HEADS
    n_tokens = len(byte_alphabet()) + 3 + len(SPECIAL)

    def matrix(name: str, *shape: int) -> None:
        writer.add_tensor(name, random.normal(0, 0.4 / shape[-1] ** 0.5, shape).astype(np.float32))

    def ones(name: str, n: int) -> None:
        writer.add_tensor(name, np.ones(n, dtype=np.float32))

    writer.add_tensor("token_embd.weight", random.normal(0, 1, (n_tokens, WIDTH)).astype(np.float32))
    for layer in range(N_LAYERS):
        block = f"blk.{layer}"
        ones(f"{block}.attn_norm.weight", WIDTH)
        ones(f"{block}.ffn_norm.weight", WIDTH)
        for name, rows in (("q", WIDTH), ("k", head * N_KEY_VALUE), ("v", head * N_KEY_VALUE)):
            matrix(f"{block}.attn_{name}.weight", rows, WIDTH)
            if architecture == "qwen2":
                writer.add_tensor(f"{block}.attn_{name}.bias", np.zeros(rows, dtype=np.float32))
        matrix(f"{block}.attn_output.weight", WIDTH, WIDTH)
        matrix(f"{block}.ffn_gate.weight", FORWARD, WIDTH)
        matrix(f"{block}.ffn_up.weight", FORWARD, WIDTH)
        matrix(f"{block}.ffn_down.weight", WIDTH, FORWARD)
    ones("output_norm.weight", WIDTH)
    matrix("output.weight", n_tokens, WIDTH)
