"""Text that a figure or a page may show: nothing invisible, nothing that acts on the reader's screen.

Replies of a model are hostile text until shown otherwise. Control characters, terminal escapes and characters that
turn the writing direction are replaced by a visible sign; plotly's small HTML dialect is switched off by escaping.
"""

import html
import unicodedata

_KEPT = frozenset("\n\t\u200c\u200d")
"""Line breaks, tabs, and the two joiners that emoji and several scripts are spelled with."""

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class _Signs(dict[int, str]):
    """A translation table that is filled as characters are met."""

    def __missing__(self, code: int) -> str:
        self[code] = _sign(code)
        return self[code]


def _sign(code: int) -> str:
    character = chr(code)
    if character in _KEPT or unicodedata.category(character) not in _HIDDEN_CATEGORIES:
        return character
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟦U+{code:04X}⟧"


_SIGNS = _Signs()


def visible(text: str) -> str:
    """Replace every invisible or display-changing character by a sign that names it.

    Args:
        text: Any text, also with lone surrogates.

    Returns:
        The same text with, say, ``␛`` for an escape and ``⟦U+202E⟧`` for a direction override; line breaks and tabs
        stay. The result always encodes as UTF-8.
    """
    return text.translate(_SIGNS)


def label(text: str) -> str:
    """Prepare text for a plotly title, tick or hover label, where ``<b>`` and its like would be interpreted."""
    return html.escape(visible(text), quote=False)


def percent(rate: float) -> str:
    """Write a rate as a whole percentage; a rate that is not quite 0 or 1 is never written as if it were."""
    if 0 < rate < 0.005:
        return "<1 %"
    if 0.995 <= rate < 1:
        return ">99 %"
    return f"{100 * rate:.0f} %"


def interval(low: float, high: float) -> str:
    """Write an interval of rates, such as ``4–31 %``."""
    return f"{100 * low:.0f}–{100 * high:.0f} %"


def number(value: float) -> str:
    """Write a mean with as many digits as say something, such as ``−1.31``, ``0.042`` and ``1,204``."""
    size = abs(value)
    if size >= 99.95:
        written = f"{value:,.0f}"
    elif size >= 9.995:
        written = f"{value:.1f}"
    elif size >= 0.995:
        written = f"{value:.2f}"
    else:
        written = f"{value:.3f}" if size >= 0.0005 or not size else f"{value:.1g}"
    return ("0" if not size else written).replace("-", "−")


def number_range(low: float, high: float) -> str:
    """Write an interval of means, such as ``−0.20 to 1.31``: a dash between numbers with signs cannot be read."""
    return f"{number(low)} to {number(high)}"


def counted(number: int, noun: str) -> str:
    """Write a number with its noun in the right number, such as ``1 trial`` and ``1,200 trials``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
