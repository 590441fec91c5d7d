"""A tokenizer with one token a word, with a chat template, for the small language."""

from collections.abc import Sequence

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>", "<user>", "<model>")
TEMPLATE = (
    "{{ '<bos>' }}{% for m in messages %}{{ ('<model> ' if m['role'] == 'assistant' else '<user> ') + m['content'] }}"
    "{% if not loop.last or m['role'] != 'assistant' %}{{ ' <eos>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<model>' }}{% endif %}"
)


def word_tokenizer(words: Sequence[str]) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a vocabulary; upper case is read as lower case."""
    vocabulary = {word: index for index, word in enumerate([*SPECIAL, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", unk_token="<unk>",
        additional_special_tokens=["<user>", "<model>"],
    )  # fmt: skip
    fast.chat_template = TEMPLATE
    return fast
