"""What judging will cost, said before anything is asked.

Tokens are estimated from characters, four to a token, and an answer from the length of its form: the count of the
provider decides, and thinking aloud comes on top. What the cache knows costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from introspect.graders.answers import read_answer
from introspect.graders.rubric import NONE, QUESTIONS, choice_prompt, prompt
from introspect.judges.asking import Item
from introspect.judges.cache import AnswerCache
from introspect.judges.model import Answer, Judge

CHARACTERS = 4
"""To a token, in English, roughly."""
_FORM = "\n".join(f"{each.label}: {max(each.answers, key=len, default=NONE)}" for each in QUESTIONS)


@dataclass(frozen=True, slots=True)
class Cost:
    """How many replies and distinct requests there are, and the tokens that the unknown ones take.

    ``most_second`` requests may follow, one for each reply that names something; where that is not known yet, it is
    counted as if it did.
    """

    n_replies: int
    n_requests: int
    n_cached: int
    most_second: int
    tokens_in: int
    tokens_out: int

    def dollars(self, price_in: float, price_out: float) -> float:
        """Return the price at so much for a million tokens read and written."""
        return (self.tokens_in * price_in + self.tokens_out * price_out) / 1e6

    def sentence(self, price_in: float | None = None, price_out: float | None = None) -> str:
        """Say it in a line."""
        known = f" ({self.n_cached:,} of them known from the cache)" if self.n_cached else ""
        priced = price_in is not None or price_out is not None
        price = f", {self.dollars(price_in or 0.0, price_out or 0.0):.2f} at these prices" if priced else ""
        return (
            f"{self.n_replies:,} replies to judge: {self.n_requests:,} distinct requests{known} and at most "
            f"{self.most_second:,} more about what is named; about {self.tokens_in:,} tokens to read and "
            f"{self.tokens_out:,} to write{price}"
        )


def estimate(judge: Judge, items: Sequence[Item], cache: AnswerCache) -> Cost:
    """Estimate what judging some replies takes."""
    first = sorted({prompt(item.reply) for item in items})
    asked = [text for text in first if _known(judge, text, cache) is None]
    choices = {choice_prompt(item.reply, item.words) for item in items if _may_name(judge, item, cache)}
    more = [text for text in sorted(choices) if _known(judge, text, cache) is None]
    return Cost(
        n_replies=len(items),
        n_requests=len(first),
        n_cached=len(first) - len(asked),
        most_second=len(more),
        tokens_in=sum(map(len, (*asked, *more))) // CHARACTERS,
        tokens_out=(len(asked) * len(_FORM) + len(more) * len("WORD: something")) // CHARACTERS,
    )


def _may_name(judge: Judge, item: Item, cache: AnswerCache) -> bool:
    """Whether a reply will be asked about a second time, as far as the cache can say."""
    known = _known(judge, prompt(item.reply), cache) if item.words else None
    return bool(item.words) and (known is None or bool(read_answer(item.reply, known.text, judge.name).named))


def _known(judge: Judge, text: str, cache: AnswerCache) -> Answer | None:
    return cache.get(cache.key(judge.identity, text))
