"""Multiple-choice questions from a data set of the hub, or a local folder in the same form.

A data set is named ``NAME``, ``NAME:CONFIG`` or ``NAME:CONFIG:SPLIT`` (the split is ``test`` unless given), such as a
language of Global PIQA in the language of the subject. The columns that hold question, options and answer are found by
the names that data sets use for them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from introspect.errors import StimulusError
from introspect.stimuli import MultipleChoice

QUESTION = ("question", "prompt", "goal", "query", "sentence", "ctx")
OPTIONS = ("options", "choices", "endings", "answers")
NUMBERED = ("solution", "sol", "option", "choice", "ending")
ANSWER = ("answer", "label", "answer_idx", "answerKey", "gold", "correct")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PACKED = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".lz4", ".7z", ".rar", ".eval"})
MOST = 500
"""Questions that are read; a run takes ``n_items`` of them."""


def load_multiple_choice(name: str) -> tuple[MultipleChoice, ...]:
    """Read the questions of a data set.

    Args:
        name: Data set, configuration and split.

    Raises:
        StimulusError: It cannot be had, or its columns are none we know.
    """
    from datasets import load_dataset

    source, config, split = _parts(name)
    _check_plain(Path(name))
    try:
        rows = load_dataset(source, config or None, split=split)
    except Exception as error:  # the library raises whatever its readers raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        message = f"the questions {name!r} cannot be loaded: {first}"
        raise StimulusError(message) from error
    return tuple(_read(dict(row), name) for row in rows.select(range(min(len(rows), MOST))))  # pyright: ignore


def _check_plain(source: Path) -> None:
    """Refuse a local source with packed files: a small one may unpack to more than any disk."""
    files = source.rglob("*") if source.is_dir() else [source]
    packed = sorted(file.name for file in files if file.suffix.lower() in PACKED and file.is_file())
    if packed:
        message = f"{source} has packed files ({', '.join(packed[:3])}), which are not unpacked here; unpack them first"
        raise StimulusError(message)


def _parts(name: str) -> tuple[str, str, str]:
    if Path(name).exists():
        return name, "", "train"
    source, _, rest = name.partition(":")
    config, _, split = rest.partition(":")
    return source, config, split or "test"


def _read(row: Mapping[str, Any], name: str) -> MultipleChoice:
    question = next((str(row[key]) for key in QUESTION if row.get(key)), None)
    options = _options(row)
    raw = next((row[key] for key in ANSWER if row.get(key) is not None), None)
    if question is None or len(options) < 2 or raw is None:
        message = (
            f"the questions {name!r} have the columns {', '.join(row)}; wanted are a question ({', '.join(QUESTION)}), "
            f"options ({', '.join(OPTIONS)}, or {NUMBERED[0]}0, {NUMBERED[0]}1, …) and an answer ({', '.join(ANSWER)})"
        )
        raise StimulusError(message)
    try:
        return MultipleChoice(question=question, options=options, answer=_index(raw, options, name))
    except ValidationError as error:
        message = f"a question of {name!r} cannot be asked: {error.errors()[0]['msg']} ({question[:80]!r})"
        raise StimulusError(message) from error


def _options(row: Mapping[str, Any]) -> tuple[str, ...]:
    for key in OPTIONS:
        value = row.get(key)
        if isinstance(value, Mapping) and "text" in value:
            value = value["text"]
        if isinstance(value, Sequence) and not isinstance(value, str):
            return tuple(str(each) for each in value)
    for stem in NUMBERED:
        found = [key for key in row if key.startswith(stem) and key.removeprefix(stem).strip("_").isdecimal()]
        if len(found) > 1:
            return tuple(str(row[key]) for key in sorted(found, key=lambda key: int(key.removeprefix(stem).strip("_"))))
    return ()


def _index(raw: object, options: Sequence[str], name: str) -> int:
    """Return which option is right: a number from 0, a letter, or the option itself."""
    text = str(raw).strip()
    if text.isdecimal():
        return int(text)
    if text in options:
        return list(options).index(text)
    if len(text) == 1 and text.upper() in LETTERS:
        return LETTERS.index(text.upper())
    message = f"an answer of the questions {name!r} is {raw!r}: neither an index, nor a letter, nor one of the options"
    raise StimulusError(message)
