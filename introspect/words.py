"""Whole words in a text, by their English stems: is a concept mentioned, and where?

A concept is known by its *forms*: the word and its aliases. A form matches a run of whole words whose stems are the
form's, so plural, case, possessive and hyphens do not matter, and neither parts of words nor related things count:
"denim" or "indigo" is no mention of "anxiety". Irregular plurals and synonyms match only if they are among the forms.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import snowballstemmer

SOMETHING = "something"
"""What stands in a note in the place of a concept's word."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
_POSSESSIVE = re.compile(r"['’](?:s|S)?$")
_STEMMER = snowballstemmer.stemmer("english")


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Reduce a word to its stem: no case, no possessive ending, no inflection."""
    return str(_STEMMER.stemWord(_POSSESSIVE.sub("", word.casefold())))


def matches(text: str, forms: Sequence[str]) -> bool:
    """Whether any form of the concept stands in the text as whole words."""
    return mention(text, forms) is not None


def mention(text: str, forms: Sequence[str]) -> int | None:
    """Find the first mention of a concept.

    Args:
        text: Any text.
        forms: The concept's word and its aliases; an alias may have several words.

    Returns:
        The character offset at which the first mention starts, or ``None``.
    """
    wanted = _stems(tuple(forms))
    found = _said(text)
    said = [stemmed for stemmed, _ in found]
    for index, (stemmed, start) in enumerate(found):
        if any(form[0] == stemmed and form == tuple(said[index : index + len(form)]) for form in wanted):
            return start
    return None


@lru_cache(maxsize=4_096)
def _said(text: str) -> tuple[tuple[str, int], ...]:
    """Return the stems of a text's words, and where each word starts; a text is asked about for many concepts."""
    return tuple((stem(word.group()), word.start()) for word in _WORD.finditer(text))


@lru_cache(maxsize=1_024)
def _stems(forms: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    split = (tuple(stem(word) for word in _WORD.findall(form)) for form in forms)
    return tuple(form for form in split if form)
