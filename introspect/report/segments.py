"""Texts cut where their look changes: tokens that were injected into, and stretches a grader took as evidence.

The cuts are made here, in Python's code points, because the records count in those; a browser counts otherwise.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from introspect.errors import SpanError
from introspect.plots.text import visible
from introspect.records import Claim, Evidence, Prompt

Shaded = list[tuple[str, bool]]
Marked = list[str | tuple[str, str, str]]


def shade(prompt: Prompt, spans: Sequence[tuple[int, int]]) -> Shaded:
    """Cut a prompt into pieces that were injected into, one a token, and the text between them.

    Args:
        prompt: The rendered prompt; tokens with the offsets ``(0, 0)`` (a beginning-of-text sign) have no text.
        spans: Half-open ranges of token indices.

    Returns:
        Pieces ``(text, injected)`` that join to the whole text. Tokens that share a character (the bytes of one
        sign) count as one piece.

    Raises:
        SpanError: A span that reaches beyond the prompt's tokens.
    """
    pieces: Shaded = []
    cursor = 0
    for start, stop in sorted(_token_ranges(prompt, spans)):
        begin = max(start, cursor)
        if begin >= stop:
            continue
        if begin > cursor:
            pieces.append((prompt.text[cursor:begin], False))
        pieces.append((prompt.text[begin:stop], True))
        cursor = stop
    if cursor < len(prompt.text):
        pieces.append((prompt.text[cursor:], False))
    return pieces


def _token_ranges(prompt: Prompt, spans: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    ranges: set[tuple[int, int]] = set()
    for first, last in spans:
        if not 0 <= first <= last <= len(prompt.offsets):
            message = f"span {first}..{last} is outside prompt {prompt.id}, which has {len(prompt.offsets)} tokens"
            raise SpanError(message)
        ranges.update(prompt.offsets[first:last])
    return ranges


def mark(reply: str, claim: Claim | None) -> Marked:
    """Cut a reply where evidence begins and ends.

    Args:
        reply: The raw reply.
        claim: What the grader read in it; ``None`` where it has not been graded.

    Returns:
        Pieces that join to ``visible(reply)``: plain text, or ``(text, rules, kind)`` with the rules that picked the
        stretch and ``kind`` either ``named`` (as the thought's content) or ``evidence``.
    """
    kinds = [] if claim is None else [(each, "evidence") for each in claim.evidence]
    kinds += [] if claim is None else [(each, "named") for each in claim.named]
    edges = {0, len(reply)}.union(*(_bounds(each, reply) for each, _ in kinds))
    cuts = sorted(edges)
    return [_piece(reply, start, stop, kinds) for start, stop in pairwise(cuts)]


def _bounds(evidence: Evidence, reply: str) -> tuple[int, int]:
    return min(max(evidence.start, 0), len(reply)), min(max(evidence.stop, 0), len(reply))


def _piece(reply: str, start: int, stop: int, kinds: list[tuple[Evidence, str]]) -> str | tuple[str, str, str]:
    text = visible(reply[start:stop])
    over = [(each.rule, kind) for each, kind in kinds if each.start <= start and stop <= each.stop]
    if not over:
        return text
    rules = ", ".join(dict.fromkeys(rule for rule, _ in over))
    return text, visible(rules), "named" if any(kind == "named" for _, kind in over) else "evidence"
