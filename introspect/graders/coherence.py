"""Is the surface of a reply that of language? Empty, looping, mixed in script, or garbled text is not.

Only the surface is judged: whether the words fit the question is no matter for rules, and fluent nonsense passes. A
reply cut off at the token limit is no worse for it. The measures count words and letters rather than look words up, so
most of them hold for any alphabetic language; the test for unpronounceable words looks at plain Latin letters only.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from operator import eq
from typing import Literal

Incoherence = Literal["empty", "repetition", "script_mix", "garbled"]

MAX_RUN = 4
"""A word said more often than this in one go is a loop."""
MIN_DISTINCT = 0.5
"""Share of three-word sequences that must be new; checked from ``MIN_WORDS`` words on."""
MIN_WORDS = 24
MAX_SAME_SENTENCE = 3
MAX_MIX = 0.15
"""Share of letters outside the main script that is still no mix: a name, a quoted word."""
IDEOGRAPH_WEIGHT = 3
"""One East Asian character says about as much as three letters."""
MAX_ODD = 0.3
"""Share of words that may be unpronounceable or endless."""
MAX_SYMBOLS = 0.4
LONG_WORD = 25

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxz]{4,}")
_SENTENCE = re.compile(r"[^.!?\n]+")
_UNIT = re.compile(r"(.{1,12}?)\1{5,}", re.DOTALL)
_EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC")


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with the surface, and a stretch of the text that shows it."""

    because: Incoherence
    start: int
    stop: int


def find_flaw(text: str) -> Flaw | None:
    """Return the first flaw, looking for empty, repetition, script mix and garble in that order."""
    if not any(map(str.isalnum, text[:80])) and not _WORD.search(text):
        return Flaw("garbled" if _is_salad(text) else "empty", 0, len(text))
    lowered = [word.lower() for word in _WORD.findall(text)]
    return _repetition(text, lowered) or _script_mix(text) or _garble(text, lowered)


def _repetition(text: str, spoken: list[str]) -> Flaw | None:
    looping = _word_loop(spoken) or _sentence_loop(text)
    if looping:
        return _around(text, "repetition", looping)
    return _character_loop(text, spoken)


def _word_loop(spoken: list[str]) -> str | None:
    """Find a word said many times in one go, or the commonest three words of a text that keeps saying them."""
    if len(spoken) > MAX_RUN and len(set(spoken)) < len(spoken):
        repeats = sum(map(eq, spoken, spoken[1:]))
        run = repeats >= MAX_RUN and next(
            (word for word, said in groupby(spoken) if sum(1 for _ in said) > MAX_RUN), None
        )
        if run:
            return run
    if len(spoken) < MIN_WORDS:
        return None
    triples = list(zip(spoken, spoken[1:], spoken[2:], strict=False))
    if len(set(triples)) >= MIN_DISTINCT * len(triples):
        return None
    return Counter(triples).most_common(1)[0][0][0]


def _sentence_loop(text: str) -> str | None:
    said = Counter(sentence.strip().lower() for sentence in _SENTENCE.findall(text))
    looping = (sentence for sentence, n in said.items() if n > MAX_SAME_SENTENCE and " " in sentence)
    return next(looping, None)


def _character_loop(text: str, spoken: list[str]) -> Flaw | None:
    """Find a unit of few letters set end to end inside one very long word."""
    for word in spoken:
        if len(word) >= LONG_WORD and (loop := _UNIT.search(word[:400])):
            return _around(text, "repetition", loop.group())
    return None


def _script_mix(text: str) -> Flaw | None:
    if text.isascii():
        return None
    shares = _scripts(text)
    total = sum(shares.values())
    minor = total - max(shares.values(), default=0)
    if minor <= MAX_MIX * total:
        return None
    main = max(shares, key=shares.__getitem__)
    odd = next(i for i, letter in enumerate(text) if letter.isalpha() and _script(letter) != main)
    return Flaw("script_mix", odd, min(len(text), odd + 40))


def _scripts(text: str) -> Counter[str]:
    """Weigh the letters by script; combining marks and digits do not count."""
    shares: Counter[str] = Counter()
    for letter, n in Counter(text).items():
        if letter.isalpha():
            script = _script(letter)
            shares[script] += n * (IDEOGRAPH_WEIGHT if script == "EAST ASIAN" else 1)
    return shares


def _script(letter: str) -> str:
    """Name the writing system by the first word of the character's Unicode name."""
    if letter.isascii():
        return "LATIN"
    name = unicodedata.name(letter, "UNKNOWN").split()[0].split("-")[0]
    return "EAST ASIAN" if name in _EAST_ASIAN else name


def _garble(text: str, spoken: list[str]) -> Flaw | None:
    if _is_salad(text, sum(map(len, spoken))) or _is_fragments(spoken):
        return Flaw("garbled", 0, min(len(text), 80))
    known = set(spoken)
    odd = [cluster for cluster in _CONSONANTS.findall(text.lower()) if len(cluster) > 4 or cluster in known]
    endless = [word for word in spoken if len(word) >= LONG_WORD and word.isascii()]
    if len(odd) + len(endless) < 2 or len(odd) + len(endless) <= MAX_ODD * len(spoken):
        return None
    return _around(text, "garbled", (odd or endless)[0])


def _is_salad(text: str, n_letters: int = 0) -> bool:
    """Whether symbols or replacement characters crowd out the letters; marks of Indic vowels count as letters."""
    if text.count("\ufffd") > 1:
        return True
    visible = "".join(text.split())
    if len(visible) < 12 or len(visible) - n_letters <= MAX_SYMBOLS * len(visible):
        return False
    signs = Counter(visible).items()
    symbols = sum(n for sign, n in signs if not sign.isalnum() and unicodedata.category(sign)[0] != "M")
    return symbols > MAX_SYMBOLS * len(visible)


def _is_fragments(spoken: list[str]) -> bool:
    """Whether most words are single Latin letters."""
    single = [word for word in spoken if len(word) == 1 and word.isascii() and word.isalpha()]
    return len(spoken) > 5 and len(single) > len(spoken) / 2


def _around(text: str, because: Incoherence, shown: str) -> Flaw:
    start = max(0, text.lower().find(shown))
    return Flaw(because, min(start, len(text)), min(len(text), start + len(shown)))
