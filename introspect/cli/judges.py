"""``grade`` and ``calibrate``: claims of other graders beside those of the rules, and how far to trust them."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from introspect.errors import JudgeError
from introspect.terminal import Console

if TYPE_CHECKING:
    from introspect.analysis.agreement import Agreement
    from introspect.analysis.calibration import Calibration, Share
    from introspect.graders.labels import LabelledReply
    from introspect.judges.model import Settings
    from introspect.records import Claim

FAILED = 2


class With(StrEnum):
    """What grades."""

    rules = "rules"
    judge = "judge"


class Split(StrEnum):
    """Which labelled replies."""

    development = "development"
    test = "test"
    all = "all"


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
PriceInOption = Annotated[float | None, typer.Option(min=0, help="Price of a million tokens read.")]
PriceOutOption = Annotated[float | None, typer.Option(min=0, help="Price of a million tokens written.")]
TokensOption = Annotated[int, typer.Option(min=16, help="Longest answer; more for a judge that thinks aloud.")]


def grade(  # noqa: PLR0913 - one option each
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run, a battery or a study.", show_default=False)],
    way: WithOption = With.rules,
    judge: JudgeOption = None,
    base_url: BaseUrlOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Judge only so many replies of each run now.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it will cost; ask nothing.")] = False,
    price_in: PriceInOption = None,
    price_out: PriceOutOption = None,
    n_at_once: AtOnceOption = 8,
    tries: TriesOption = 6,
    timeout: SecondsOption = 120,
    max_tokens: TokensOption = 256,
) -> None:
    """Let a grader read a run's replies and leave its claims beside the trials; nothing else is changed.

    A judge sees the reply alone: not the concept, the layer, the strength or the arm. Where it says what a reply names,
    it is asked once more which of ten words that is. The same command goes on where it stopped; answers are cached.
    Then: introspect analyze DIR --grader judge.

    introspect grade runs/01 --with rules

    introspect grade runs/01 --with judge --judge local:smollm2 --limit 5 --dry-run
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
    from introspect.evals.hosted import open_judge
    from introspect.graders.answers import grader_name
    from introspect.judges.cache import AnswerCache
    from introspect.judges.cost import estimate
    from introspect.judges.grading import Graded, grade_by_judge, items_of, ungraded

    waiting = {each: items_of(each) for each in folders}
    model, cache = open_judge(name, settings), AnswerCache()
    grader = grader_name(model.name)
    work = {each: ungraded(each, grader, items)[: bounds.limit] for each, items in waiting.items()}
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


def calibrate(  # noqa: PLR0913 - one option each
    way: WithOption = With.rules,
    judge: JudgeOption = None,
    labels: Annotated[str, typer.Option(help="A shipped set of labelled replies, or a .jsonl file.")] = "replies",
    split: Annotated[Split, typer.Option(help="Which of them.")] = Split.test,
    out: Annotated[Path | None, typer.Option(help="The file; default GRADER.calibration.json here.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it will cost; ask nothing.")] = False,
    price_in: PriceInOption = None,
    price_out: PriceOutOption = None,
    base_url: BaseUrlOption = None,
    n_at_once: AtOnceOption = 8,
    tries: TriesOption = 6,
    timeout: SecondsOption = 120,
    max_tokens: TokensOption = 256,
) -> None:
    """Compare a grader with labels by hand: κ, and how often it finds what is there and passes over what is not.

    The file is what --calibration of analyze, figures and report wants: with it the grader's errors are taken out of
    the rates, and their uncertainty goes into the intervals.

    introspect calibrate --with rules --split all --out runs/rules.calibration.json

    introspect calibrate --with judge --judge local:smollm2 --dry-run
    """
    from introspect.analysis.agreement import check_passes
    from introspect.analysis.calibration import calibrate as compare
    from introspect.analysis.calibration import write_calibration
    from introspect.graders.labels import load_labels
    from introspect.judges.model import Settings
    from introspect.sweeps.claims import slug

    found = load_labels(labels)
    check_passes(found)
    replies = found.of(split)
    if way is With.rules:
        grader, claims = claims_by_rules(replies)
    else:
        settings = Settings(n_at_once, tries, timeout, max_tokens=max_tokens, base_url=base_url)
        bounds = _Bounds(None, dry_run, price_in, price_out)
        grader, claims = _claims_by_judge(_named(judge), replies, settings, bounds)
    if dry_run:
        return
    calibration = compare(found, claims, split, grader)
    file = out or Path(f"{slug(grader)}.calibration.json")
    write_calibration(file, calibration)
    _print(calibration, file)


def claims_by_rules(replies: "Sequence[LabelledReply]") -> "tuple[str, dict[str, Claim]]":
    """Let the rules read labelled replies; claimed detail has rules of its own."""
    from introspect.graders.details import read_details
    from introspect.graders.rules import RuleGrader

    reader, claims = RuleGrader(), dict[str, "Claim"]()
    for each in replies:
        details = read_details(each.reply)
        kinds = [kind for kind in ("checkable", "uncheckable") if getattr(details, kind)]
        claims[each.id] = reader.grade(each.reply).model_copy(update={"details": tuple(kinds)})
    return reader.name, claims


def _claims_by_judge(
    name: str, replies: "Sequence[LabelledReply]", settings: "Settings", bounds: _Bounds
) -> "tuple[str, dict[str, Claim]]":
    from introspect.evals.hosted import open_judge
    from introspect.graders.answers import grader_name
    from introspect.judges.asking import Item
    from introspect.judges.cache import AnswerCache
    from introspect.judges.cost import estimate
    from introspect.judges.grading import collect, words

    pool = list(dict.fromkeys(each.concept for each in replies if each.concept))
    items = [Item(each.id, each.reply, words(each.concept, pool, each.id) if each.concept else ()) for each in replies]
    model, cache = open_judge(name, settings), AnswerCache()
    cost = estimate(model, items, cache).sentence(*bounds.prices)
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(f"{name}: {cost}."))
    return grader_name(model.name), {} if bounds.dry_run else collect(model, items, cache, "judging labelled replies")


def _print(calibration: "Calibration", file: Path) -> None:
    console = Console(highlight=False)
    known = calibration
    console.print(Text(f"{known.grader} on {known.n} replies of {known.labels} (split {known.split})", style="bold"))
    console.print(_agreements(known))
    console.print(_rates(known))
    blind = [each.question for each in known.figures if each.by == "all" and not each.errors.informative]
    if blind:
        console.print(Text(f"not informative: {', '.join(blind)} (the lower bound of TPR + TNR − 1 is not above 0.1)"))
    if known.n_unscored:
        console.print(Text(f"{known.n_unscored} replies got no verdict; they count as not claiming anything"))
    grader = "judge" if known.grader.startswith("judge-") else "rules"
    console.print(
        Text(f"wrote {file}; next: introspect analyze DIR --grader {grader} --calibration {file}"), soft_wrap=True
    )


def _agreements(known: "Calibration") -> Table:
    table = _table("question", "agrees", "κ", "κ between the passes of labels")
    passes = {each.question: each for each in known.between_passes}
    for each in known.agreement:
        table.add_row(each.question, f"{each.same} of {each.n}", _bounds(each), _bounds(passes.get(each.question)))
    return table


def _rates(known: "Calibration") -> Table:
    table = _table("question", "of", "finds (TPR)", "passes over (TNR)")
    for each in known.figures:
        if each.by not in {"all", "subjects"} and each.question != "noticed":
            continue  # they are in the file
        first = each.by == "all"
        cells = _counted(each.found, each.missed, each.tpr), _counted(each.passed, each.false, each.tnr)
        table.add_row(each.question if first else "", each.of, *cells, style=None if first else "dim")
    return table


def _table(*heads: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head)
    return table


def _bounds(kappa: "Agreement | None") -> str:
    if kappa is None:
        return ""
    if kappa.value is None:
        return "–"
    bounds = f" [{kappa.low:.2f}–{kappa.high:.2f}]" if kappa.low is not None and kappa.high is not None else ""
    return f"{kappa.value:.2f}{bounds}"


def _counted(hits: int, misses: int, share: "Share") -> str:
    if share.value is None:
        return "–"
    return f"{hits} of {hits + misses} [{share.low:.2f}–{share.high:.2f}]"
