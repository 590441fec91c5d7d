"""What a terminal is shown: nothing invisible, nothing that acts on the reader's screen.

Replies, names in a plan and error texts are hostile until shown otherwise. Control characters, terminal escapes and
characters that turn the writing direction are replaced by a visible sign, and ``[red]`` in a text is no markup.
"""

import json
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich import console
from rich.segment import Segment

_KEPT = frozenset("\n\t\u200c\u200d")
"""Line breaks, tabs, and the two joiners that emoji and several scripts are spelled with."""

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def _hidden(character: str) -> bool:
    return character not in _KEPT and unicodedata.category(character) in _HIDDEN_CATEGORIES


class _Signs(dict[int, str]):
    """A translation table that is filled as characters are met."""

    def __missing__(self, code: int) -> str:
        self[code] = _sign(code)
        return self[code]


class _Escapes(dict[int, str]):
    """The same for JSON, where a character may be spelled by its number."""

    def __missing__(self, code: int) -> str:
        self[code] = json.dumps(chr(code))[1:-1] if _hidden(chr(code)) else chr(code)
        return self[code]


def _sign(code: int) -> str:
    if not _hidden(chr(code)):
        return chr(code)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟦U+{code:04X}⟧"


_SIGNS, _ESCAPES = _Signs(), _Escapes()


def visible(text: str) -> str:
    """Replace every invisible or display-changing character by a sign that names it.

    Args:
        text: Any text, also with lone surrogates.

    Returns:
        The same text with, say, ``␛`` for an escape and ``⟦U+202E⟧`` for a direction override; line breaks and tabs
        stay. The result always encodes as UTF-8.
    """
    return text.translate(_SIGNS)


def json_text(value: Any, indent: int | None = 2) -> str:  # noqa: ANN401 - any JSON value
    """Write JSON that reads as what it is on a terminal, too: invisible characters are spelled by their numbers."""
    return json.dumps(value, indent=indent, ensure_ascii=False).translate(_ESCAPES)


class Console(console.Console):  # noqa: TID251 - this is the one
    """A console that interprets nothing in what it prints, and says nothing on standard error when hushed."""

    def __init__(self, *, highlight: bool = False, quiet: bool | None = None, **options: Any) -> None:  # noqa: ANN401
        hush = bool(_hushed) and bool(options.get("stderr")) if quiet is None else quiet
        super().__init__(highlight=highlight, markup=False, emoji=False, quiet=hush, **options)

    def render(
        self, renderable: console.RenderableType, options: console.ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render with every character visible; control codes are those of the library alone."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


_hushed: list[bool] = []


@contextmanager
def hushed(quiet: bool = True) -> Iterator[None]:
    """Keep progress and remarks off standard error; errors and results are shown all the same."""
    if not quiet:
        yield
        return
    _hushed.append(True)
    try:
        yield
    finally:
        _hushed.pop()


def is_hushed() -> bool:
    """Whether nothing but errors is wanted on standard error."""
    return bool(_hushed)


def counted(number: int, noun: str, several: str | None = None) -> str:
    """Write a number with its noun in the right number, such as ``1 trial`` and ``1,200 trials``."""
    return f"{number:,} {noun if number == 1 else several or f'{noun}s'}"
