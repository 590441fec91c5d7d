"""``grade``: claims of other graders beside those of the rules."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from introspect.errors import JudgeError

if TYPE_CHECKING:
    from introspect.judges.model import Settings

FAILED = 2


class With(StrEnum):
    """What grades."""

    rules = "rules"
    judge = "judge"


WithOption = Annotated[With, typer.Option("--with", help="The rules, or a model that judges.")]
JudgeOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="local:SUBJECT, or a model as Inspect names it: openai/…, anthropic/…, google/…, hf/…, vllm/…, ollama/…, "
        "openai-api/SERVICE/MODEL.",
        show_default=False,
    ),
]
BaseUrlOption = Annotated[str | None, typer.Option(help="Server of the judge, if not its usual one.")]
AtOnceOption = Annotated[int, typer.Option("--at-once", min=1, help="Requests under way at a time.")]
TriesOption = Annotated[int, typer.Option(min=1, help="How often a request is tried, after pauses that double.")]
SecondsOption = Annotated[int, typer.Option("--timeout", min=1, help="Seconds that one try may take.")]
TokensOption = Annotated[int, typer.Option(min=16, help="Longest answer; more for a judge that thinks aloud.")]


def grade(  # noqa: PLR0913 - one option each
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run, a battery or a study.", show_default=False)],
    way: WithOption = With.rules,
    judge: JudgeOption = None,
    base_url: BaseUrlOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Judge only so many replies of each run now.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it will cost; ask nothing.")] = False,
    price_in: Annotated[float | None, typer.Option(min=0, help="Price of a million tokens read.")] = None,
    price_out: Annotated[float | None, typer.Option(min=0, help="Price of a million tokens written.")] = None,
    n_at_once: AtOnceOption = 8,
    tries: TriesOption = 6,
    timeout: SecondsOption = 120,
    max_tokens: TokensOption = 256,
) -> None:
    """Let a grader read a run's replies and leave its claims beside the trials; nothing else is changed.

    A judge sees the reply alone: not the concept, the layer, the strength or the arm. Where it says what a reply names,
    it is asked once more which of ten words that is. The same command goes on where it stopped; answers are cached.
    Then: introspect analyze DIR --grader judge.

    introspect grade runs/demo/smollm2 --with rules

    introspect grade runs/demo/smollm2 --with judge --judge local:smollm2 --limit 5 --dry-run
    """
    from introspect.judges.grading import run_folders
    from introspect.judges.model import Settings

    folders = run_folders(folder)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if way is With.rules:
        _by_rules(folders, console)
        return
    settings = Settings(n_at_once, tries, timeout, max_tokens=max_tokens, base_url=base_url)
    _by_judge(folders, _named(judge), settings, _Bounds(limit, dry_run, price_in, price_out), console)


class _Bounds:
    """What a judge may be asked, and what it costs."""

    def __init__(self, limit: int | None, dry_run: bool, price_in: float | None, price_out: float | None) -> None:
        self.limit, self.dry_run, self.prices = limit, dry_run, (price_in, price_out)


def _by_rules(folders: list[Path], console: Console) -> None:
    from introspect.graders.rules import RuleGrader
    from introspect.judges.grading import grade_by_rules

    for each in folders:
        done = grade_by_rules(each, RuleGrader())
        console.print(Text(f"{done.n_claims:,} claims of {RuleGrader.name} in {each / 'claims'}"))


def _by_judge(folders: list[Path], name: str, settings: "Settings", bounds: _Bounds, console: Console) -> None:
    from introspect.graders.answers import grader_name
    from introspect.judges.cache import AnswerCache
    from introspect.judges.cost import estimate
    from introspect.judges.grading import Graded, grade_by_judge, items_of, open_judge, ungraded

    work = {each: ungraded(each, grader_name(name), items_of(each))[: bounds.limit] for each in folders}
    model, cache = open_judge(name, settings), AnswerCache()
    every = [item for items in work.values() for item in items]
    console.print(Text(f"{name}: {estimate(model, every, cache).sentence(*bounds.prices)}."))
    if bounds.dry_run:
        return
    left, because = 0, ""
    for each, items in work.items():
        done: Graded = grade_by_judge(each, model, items, cache, f"judging {each.name}")
        unscored = f", {done.n_unscored:,} without a verdict" if done.n_unscored else ""
        console.print(Text(f"{done.n_claims:,} claims in {each / 'claims'}{unscored}"))
        left, because = left + done.n_left, done.because or because
    if left:
        console.print(Text(f"{left:,} replies got no answer ({because}); the same command asks again", style="yellow"))
        raise typer.Exit(FAILED)


def _named(judge: str | None) -> str:
    if not judge:
        message = "--with judge needs --judge MODEL, such as --judge local:smollm2 or --judge openai/MODEL"
        raise JudgeError(message)
    return judge
