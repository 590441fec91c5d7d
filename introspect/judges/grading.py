"""Grading a run folder: which replies a grader has not read yet, and its claims written as they come."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from introspect.errors import JudgeError
from introspect.graders.answers import grader_name
from introspect.graders.rubric import VERSION
from introspect.judges.asking import Item, Left, judged
from introspect.judges.cache import AnswerCache
from introspect.judges.model import Judge
from introspect.progress import track
from introspect.records import Claim, Trial
from introspect.sweeps.claims import ClaimsFile, Grading, graders_in, read_claims, slug
from introspect.sweeps.reading import read_manifest, read_trials

N_WORDS = 10
"""Words among which the named thing is looked for, the concept and its decoys together."""


@dataclass(frozen=True, slots=True)
class Graded:
    """What one call of ``grade`` did: claims written, those of them without a verdict, replies left, and why."""

    n_claims: int
    n_unscored: int
    n_left: int
    because: str = ""


@runtime_checkable
class Reader(Protocol):
    """Reads a reply, and nothing else."""

    @property
    def name(self) -> str:
        """What its claims are signed with."""
        ...

    def grade(self, reply: str) -> Claim:
        """Say what the reply claims."""
        ...


def run_folders(folder: Path) -> list[Path]:
    """Return a run folder itself, or the runs in the folder of a battery or study."""
    inside = [] if (folder / "manifest.json").is_file() else [each.parent for each in folder.glob("*/manifest.json")]
    return sorted(inside) or [folder]


def items_of(folder: Path) -> list[Item]:
    """Return every reply of a run as a judge gets it: the text, and the words where it is about a concept."""
    concepts = tuple(read_manifest(folder).concepts)
    trials = sorted(read_trials(folder), key=lambda trial: trial.key)
    return [_item(trial, concepts) for trial in trials if trial.finish != "scored"]


def _item(trial: Trial, concepts: Sequence[str]) -> Item:
    concept = trial.spec.concept
    return Item(trial.key, trial.reply, words(concept, concepts, trial.key) if concept else ())


def words(concept: str, pool: Sequence[str], key: str) -> tuple[str, ...]:
    """Return a concept among decoys, in an order that depends on the key alone; fewer where the pool is small."""
    order = random.Random(key)
    others = [each for each in pool if each != concept]
    chosen = [concept, *order.sample(others, min(len(others), N_WORDS - 1))]
    order.shuffle(chosen)
    return tuple(chosen)


def ungraded(folder: Path, grader: str, items: Sequence[Item]) -> list[Item]:
    """Return the replies that a grader has not claimed anything of."""
    done = read_claims(folder, slug(grader))[1] if slug(grader) in graders_in(folder) else {}
    return [item for item in items if item.key not in done]


def grade_by_rules(folder: Path, reader: Reader) -> Graded:
    """Write the claims of a grader that needs no model, all of them anew."""
    claims: Mapping[str, Claim] = {item.key: reader.grade(item.reply) for item in items_of(folder)}
    with ClaimsFile(folder, Grading(grader=reader.name)) as file:
        file.replace(claims)
    return Graded(len(claims), 0, 0)


def grade_by_judge(
    folder: Path, judge: Judge, items: Sequence[Item], cache: AnswerCache, label: str = "judging"
) -> Graded:
    """Ask a judge about replies and append its claims; Ctrl-C and errors keep all that were finished.

    Raises:
        JudgeError: The judge refuses or is down; ``folder`` holds the claims so far.
    """
    grading = Grading(grader=grader_name(judge.name), settings={"model": judge.identity, "rubric": VERSION})
    with ClaimsFile(folder, grading) as file:
        return asyncio.run(_grade(file, judge, items, cache, label))


async def _grade(file: ClaimsFile, judge: Judge, items: Sequence[Item], cache: AnswerCache, label: str) -> Graded:
    n_claims, n_unscored, left = 0, 0, list[str]()
    try:
        with track(label, len(items)) as advance:
            async with aclosing(judged(judge, items, cache)) as claims:
                async for item, claim in claims:
                    if isinstance(claim, Left):
                        left.append(claim.reason)
                    else:
                        file.append(item.key, claim)
                        n_claims, n_unscored = n_claims + 1, n_unscored + (claim.unscored is not None)
                    advance(1, f"{n_unscored} unscored" if n_unscored else "")
    finally:
        await judge.aclose()
    return Graded(n_claims, n_unscored, len(left), left[-1] if left else "")


def collect(judge: Judge, items: Sequence[Item], cache: AnswerCache, label: str) -> dict[str, Claim]:
    """Return a judge's claims of all replies, by key.

    Raises:
        JudgeError: The judge refuses or is down, or a reply got no answer; what was answered is in the cache.
    """
    return asyncio.run(_collect(judge, items, cache, label))


async def _collect(judge: Judge, items: Sequence[Item], cache: AnswerCache, label: str) -> dict[str, Claim]:
    found: dict[str, Claim] = {}
    try:
        with track(label, len(items)) as advance:
            async with aclosing(judged(judge, items, cache)) as claims:
                async for item, claim in claims:
                    if isinstance(claim, Left):
                        message = f"a reply got no answer ({claim.reason}); the same command goes on from there"
                        raise JudgeError(message)
                    found[item.key] = claim
                    advance()
    finally:
        await judge.aclose()
    return found
