"""Conversations to text to tokens, and marks in the text to token positions: the only code that tokenises.

Text from a chat template is tokenised without added special tokens, since the template writes its own; a base model
with no template gets a plain transcript, tokenised with them. Either way the prompt begins with exactly one BOS where
the tokenizer is one that puts a BOS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from transformers import PreTrainedTokenizerBase

from introspect.errors import SpanError, SubjectError, TemplateError
from introspect.records import Prompt, Where, digest
from introspect.spans import Span
from introspect.stimuli import MARK, Turn

ROLE_NAMES = {"user": "User", "assistant": "Assistant"}
TRANSCRIPT_STOP = f"\n{ROLE_NAMES['user']}:"
"""Where a base model's reply ends: it has begun to write the other side's next turn."""

FIRST_SENTINEL = 0xE000
"""Start of Unicode's private use area: characters that stand for marks while the template runs."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The text of a conversation, with each mark's half-open range of characters."""

    text: str
    marks: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A prompt in tokens: ``offsets[i]`` are the characters of token ``i``, (0, 0) for one that has none."""

    text: str
    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]
    marks: Mapping[str, tuple[int, int]]
    format: Literal["chat", "transcript"]

    def tokens_of(self, mark: str) -> tuple[int, int]:
        """Return the half-open range of tokens that a mark touches, a token merged across its edge included.

        A token with offset (0, 0) belongs to no mark. A mark that runs to the end of the text takes the last token.
        """
        if mark not in self.marks:
            message = f"the prompt has no span {mark!r}; it has: {', '.join(self.marks) or 'none'}"
            raise SpanError(message)
        start, stop = self.marks[mark]
        touched = [i for i, (a, b) in enumerate(self.offsets) if a < b and a < stop and b > start]
        if not touched:
            message = f"the span {mark!r} covers no token (characters {start} to {stop})"
            raise SpanError(message)
        return touched[0], len(self.ids) if stop >= len(self.text) else touched[-1] + 1

    def span(self, mark: str, where: Where) -> Span:
        """Return the positions an injection acts on, given the mark and the mode that a plan names."""
        return Span.of(where, (self.tokens_of(mark),), len(self.ids))

    def everywhere(self, where: Where = "both") -> Span:
        """Return the span of the whole prompt, except a BOS that is not part of the text."""
        first = next((i for i, (a, b) in enumerate(self.offsets) if a < b), 0)
        return Span.of(where, ((first, len(self.ids)),), len(self.ids))

    def record(self) -> Prompt:
        """Return what is kept on disk, once for all trials with this prompt."""
        return Prompt(id=digest([self.text, self.offsets]), text=self.text, format=self.format, offsets=self.offsets)


class Chat:
    """The tokenizer of one subject, with its chat template or the plain transcript in its place.

    Args:
        tokenizer: A fast tokenizer of transformers: spans need its character offsets.
        name: The subject's name, for error sentences.
        form: ``transcript`` leaves a chat template unused; ``auto`` uses it where there is one.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        name: str,
        form: Literal["auto", "chat", "transcript"] = "auto",
    ) -> None:
        if not tokenizer.is_fast:
            message = f"the tokenizer of {name} gives no character offsets (it is a slow one), so no span can be placed"
            raise SubjectError(message)
        self.tokenizer = tokenizer
        self.name = name
        if form == "chat" and not tokenizer.chat_template:
            message = f"{name} has no chat template, so it cannot run in the chat format; use transcript or auto"
            raise SubjectError(message)
        templated = bool(tokenizer.chat_template) and form != "transcript"
        self.format: Literal["chat", "transcript"] = "chat" if templated else "transcript"
        self._bos = _own_bos(tokenizer)
        self._first: dict[tuple[str, bool], frozenset[int]] = {}

    def render(self, turns: Sequence[Turn]) -> Rendered:
        """Write a conversation as text, ready for the reply, and find its marks in it.

        Raises:
            TemplateError: The template refuses a role, drops a text, or changes it where a mark stands.
        """
        names, marked = _sentinels(turns)
        text = self._template(marked)
        plain = self._template([Turn(role=turn.role, text=MARK.sub("", turn.text)) for turn in turns])
        found: dict[str, int] = {}
        clean: list[str] = []
        for character in text:
            if character in names:
                found[names[character]] = len(clean)
            else:
                clean.append(character)
        if "".join(clean) != plain or len(found) != len(names):
            message = f"the chat template of {self.name} changes the text around a span mark; move the mark inwards"
            raise TemplateError(message)
        marks = {
            name: (start, found.get(f"/{name}", len(plain)))
            for name, start in found.items()
            if not name.startswith("/")
        }
        return Rendered(plain, marks)

    def encode(self, turns: Sequence[Turn]) -> Encoded:
        """Render and tokenise a conversation."""
        rendered = self.render(turns)
        encoding = self.tokenizer(
            rendered.text, add_special_tokens=self.format == "transcript", return_offsets_mapping=True
        )
        ids: list[int] = list(encoding["input_ids"])  # pyright: ignore[reportArgumentType]
        offsets = [(int(a), int(b)) for a, b in encoding["offset_mapping"]]  # pyright: ignore
        while offsets and offsets[-1] == (0, 0) and len(ids) > 1:  # an end token that some tokenizers append
            ids, offsets = ids[:-1], offsets[:-1]
        if self._bos is not None and ids[:1] != [self._bos]:
            ids, offsets = [self._bos, *ids], [(0, 0), *offsets]
        if self._bos is not None and ids[1:2] == [self._bos]:
            ids, offsets = ids[1:], offsets[1:]
        if self._bos is not None:
            offsets[0] = (0, 0)  # a BOS that the template spells out is no more part of the text than an added one
        return Encoded(rendered.text, tuple(ids), tuple(offsets), rendered.marks, self.format)

    def ask(self, text: str) -> Encoded:
        """Tokenise one question put by the user, without marks."""
        return self.encode([Turn(role="user", text=text)])

    def first_tokens(self, text: str, exact: bool = False) -> frozenset[int]:
        """Return the tokens with which an answer can begin: with and without a space, and in any case of its letters.

        Where a space is a token of its own, it tells nothing, and the answer without it is left.

        Args:
            text: The answer.
            exact: Keep upper and lower case as they are: letters and codes that stand for something else.
        """
        key = (text, exact)
        if key not in self._first:
            self._first[key] = self._begins(text, exact)
        return self._first[key]

    def word_tokens(self, word: str) -> tuple[int, ...]:
        """Return the tokens that are a word, with and without a space, capital or small.

        Where it is more than one token in all of these forms, its first one behind a space has to stand for it.
        """
        forms = {word, word.lower(), word[:1].upper() + word[1:]}
        spelled = [" " + word, *(lead + form for form in sorted(forms) for lead in ("", " "))]
        first, *encoded = self.tokenizer(spelled, add_special_tokens=False)["input_ids"]  # pyright: ignore
        whole = {int(ids[0]) for ids in encoded if len(ids) == 1}  # pyright: ignore
        return tuple(sorted(whole)) or (int(first[0]),)  # pyright: ignore

    def _begins(self, text: str, exact: bool) -> frozenset[int]:
        forms = {text} if exact else {text, text.lower(), text.upper(), text[:1].upper() + text[1:]}
        spelled = [" ", *(lead + form for form in sorted(forms) for lead in ("", " "))]
        space, *encoded = self.tokenizer(spelled, add_special_tokens=False)["input_ids"]  # pyright: ignore
        return frozenset(int(ids[0]) for ids in encoded if ids and list(ids[:1]) != list(space))  # pyright: ignore

    def decode(self, ids: Sequence[int]) -> str:
        """Turn reply tokens into text, without the special tokens that end it."""
        text = str(self.tokenizer.decode(list(ids), skip_special_tokens=True))
        return text.split(TRANSCRIPT_STOP)[0] if self.format == "transcript" else text

    def stopped(self, ids: Sequence[int]) -> bool:
        """Tell whether a base model has begun the other side's turn (a chat model has stop tokens for that)."""
        return self.format == "transcript" and TRANSCRIPT_STOP in str(self.tokenizer.decode(list(ids[-8:])))

    def end_of_turn(self) -> set[int]:
        """Return the special token with which the template closes the assistant's turn, if there is one."""
        if self.format == "transcript":
            return set()
        probe = "\ue000"
        turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": probe}]
        try:
            tail = str(self.tokenizer.apply_chat_template(turns, tokenize=False)).partition(probe)[2]
        except Exception:  # noqa: BLE001 - a template that takes no such turn says nothing about its end
            return set()
        first = self.tokenizer(tail, add_special_tokens=False)["input_ids"][:1]  # pyright: ignore
        special = {*self.tokenizer.all_special_ids, *self.tokenizer.added_tokens_decoder}  # pyright: ignore
        return set(first) & special

    def _template(self, turns: Sequence[Turn]) -> str:
        if self.format == "transcript":
            return _transcript(turns)
        prefilled = turns[-1].role == "assistant"
        messages: list[dict[str, Any]] = [{"role": turn.role, "content": turn.text} for turn in turns]
        try:
            text = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=not prefilled, continue_final_message=prefilled
            )
        except Exception as error:  # a template may divide by zero, or reach for what its sandbox hides
            reason = str(error) or type(error).__name__
            raise TemplateError(self._refusal(turns, reason)) from error
        for turn in turns:
            if turn.text.strip() not in str(text):
                raise TemplateError(self._refusal(turns, f"it drops or changes the {turn.role} turn"))
        return str(text)

    def _refusal(self, turns: Sequence[Turn], reason: str) -> str:
        if any(turn.role == "system" for turn in turns):
            return (
                f"the chat template of {self.name} does not take this conversation ({reason}); if it has no system "
                "role, move the system text into the first user turn"
            )
        return f"the chat template of {self.name} does not take this conversation: {reason}"


def _own_bos(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return the BOS that the tokenizer itself puts before a text; many have a BOS token and never put it."""
    ids = list(tokenizer("a")["input_ids"])  # pyright: ignore[reportArgumentType]
    return ids[0] if tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id] else None


def _sentinels(turns: Sequence[Turn]) -> tuple[dict[str, str], list[Turn]]:
    """Replace every mark by a private character that no text contains."""
    used = set("".join(turn.text for turn in turns))
    free = (chr(code) for code in range(FIRST_SENTINEL, 0xF8FF) if chr(code) not in used)
    names: dict[str, str] = {}
    marked: list[Turn] = []
    for turn in turns:
        text = turn.text
        while match := MARK.search(text):
            sentinel = next(free)
            names[sentinel] = match[1] + match[2]
            text = text[: match.start()] + sentinel + text[match.end() :]
        marked.append(Turn(role=turn.role, text=text))
    return names, marked


def _transcript(turns: Sequence[Turn]) -> str:
    parts = [turn.text if turn.role == "system" else f"{ROLE_NAMES[turn.role]}: {turn.text}" for turn in turns]
    if turns[-1].role != "assistant":
        parts.append(f"{ROLE_NAMES['assistant']}:")
    return "\n\n".join(parts)
