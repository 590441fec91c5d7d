"""``organisms``: which subjects with known answers there are, and remaking one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from introspect.cli.long import long
from introspect.cli.output import JsonOption, print_json
from introspect.terminal import Console

if TYPE_CHECKING:
    from introspect.organisms.catalog import Specimen

organisms = typer.Typer(
    name="organisms", no_args_is_help=True, help="Subjects whose answer is known: list them, or train one again."
)


NameArgument = Annotated[str, typer.Argument(help="Which one, such as parrot.", show_default=False)]
FormOption = Annotated[str, typer.Option(help="tiny, or lora on the embedded model.")]
SeedOption = Annotated[int, typer.Option(help="Of its lessons.")]
TrainingDevice = Annotated[
    str, typer.Option(help="auto, cuda, mps or cpu; the tiny ones that are there come from a cpu.")
]


@organisms.command("list")
def list_organisms(as_json: JsonOption = False) -> None:
    """List the organisms, with the training evaluation of each.

    introspect organisms list

    introspect organisms list --json
    """
    from introspect.organisms.adapters import CARD
    from introspect.organisms.catalog import specimens
    from introspect.organisms.evaluation import passed

    if as_json:
        print_json([_card(each) for each in specimens()])
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in ("organism", "form", "seed", "concept", "noise", "none", "behaviour"):
        table.add_column(head, no_wrap=head == "organism")
    for each in specimens():
        card = each.adapter / CARD if each.adapter else None
        if card is None or not card.is_file():
            table.add_row(each.name, each.form, "–", "–", "–", "–", "no known answer")
            continue
        found = json.loads(card.read_text("utf-8"))["evaluation"]
        shares = [f"{found[name]:.2f}" for name in ("concept", "noise", "none")]
        short = "; ".join(passed(each.name, found, each.form)) or "as wanted"
        table.add_row(each.name, each.form, str(each.training_seed), *shares, short)
    Console(highlight=False).print(table)
    said = "seed: of its training. Shares of new lessons that come out right, by what is injected (docs/organisms.md)."
    Console(highlight=False).print(Text(said, style="dim"))


def _card(each: "Specimen") -> dict[str, Any]:
    """Return an organism with its training evaluation, or with none where it has no known answer."""
    from introspect.organisms.adapters import CARD

    file = each.adapter / CARD if each.adapter else None
    found = json.loads(file.read_text("utf-8"))["evaluation"] if file and file.is_file() else None
    return {"name": each.name, "form": each.form, "training_seed": each.training_seed, "evaluation": found}


@organisms.command("make")
@long
def make_organism(
    name: NameArgument,
    form: FormOption = "tiny",
    training_seed: SeedOption = 0,
    device: TrainingDevice = "cpu",
) -> None:
    """Train an organism again from nothing, in place of the one that is there.

    introspect organisms make parrot

    introspect organisms make introspector --form lora --training-seed 1 --device cuda
    """
    from introspect.organisms.catalog import specimen
    from introspect.organisms.make import make

    each = specimen(form, name, training_seed)
    _say(each, make(each.name, each.form, training_seed, device=device))


def _say(each: "Specimen", found: Mapping[str, float]) -> None:
    """Print a training evaluation, and exit with 1 where it falls short."""
    from introspect.organisms.evaluation import passed

    for kind, share in found.items():
        Console(highlight=False).print(Text(f"{share:.2f}  {kind}"))
    missing = passed(each.name, found, each.form)
    Console(highlight=False).print(Text("; ".join(missing) or "It has its behaviour.", style="bold"))
    if missing:
        raise typer.Exit(1)


@organisms.command("evaluate")
@long
def evaluate_organism(
    name: NameArgument,
    form: FormOption = "tiny",
    training_seed: SeedOption = 0,
    device: TrainingDevice = "cpu",
) -> None:
    """Put an organism that is there through its training evaluation again, and write that into its card.

    introspect organisms evaluate parrot

    introspect organisms evaluate introspector --form lora
    """
    from introspect.organisms.catalog import specimen
    from introspect.organisms.make import evaluate_again

    each = specimen(form, name, training_seed)
    _say(each, evaluate_again(each.name, each.form, training_seed, device=device))


@organisms.command("run")
@long
def run_organism(
    name: Annotated[str, typer.Argument(help="Which one, such as introspector; untouched is the base.")],
    out: Annotated[Path, typer.Option(help="Folder of the study.")],
    form: FormOption = "tiny",
    training_seed: SeedOption = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the trials.")] = 0,
    held_out: Annotated[bool, typer.Option("--held-out", help="Ask about concepts that training has not.")] = False,
) -> None:
    """Run one organism's study into a folder, as introspect validate does with all of them.

    Verdicts are about the concepts of training; --held-out asks about others, to which reports may not carry over.

    introspect organisms run introspector --out runs/introspector

    introspect organisms run introspector --form lora --held-out --out runs/held-out

    introspect organisms run parrot --training-seed 1 --out runs/parrot
    """
    from introspect.organisms.catalog import others_than_training, specimen
    from introspect.studies.study import run_study
    from introspect.studies.validate import overrides

    each = specimen(form, name, training_seed)
    more = [f"concepts={json.dumps(str(others_than_training(each)))}"] if held_out else []
    run_study(each.study, out, [*overrides(each, seed), *more])
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        Text(f"trials in {out}; next: introspect analyze {out}, introspect report {out}")
    )
