"""Which model answered, as one hash: weights, tokenizer, chat template and adapter."""

from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from introspect.records import digest
from introspect.subjects.cache import file_hash


def fingerprint(weights: Sequence[Path], tokenizer: PreTrainedTokenizerBase, adapter: Sequence[Path] = ()) -> str:
    """Hash everything that decides a reply, apart from the number format.

    Args:
        weights: The weight files, in any order; their names do not count, their contents do.
        tokenizer: Counts with its vocabulary, its merges, its normalisation and its chat template.
        adapter: Weight and configuration files of a PEFT adapter.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return digest(
        {
            "weights": sorted(file_hash(path) for path in weights),
            "tokenizer": digest(backend.to_str() if backend else sorted(tokenizer.get_vocab().items())),
            "template": tokenizer.chat_template or "",
            "adapter": sorted(file_hash(path) for path in adapter),
        }
    )
