"""The ``introspect`` command: its verbs, and what happens when one fails.

Exit codes: 0 done; 1 a check that was asked for did not pass; 2 bad input, with one sentence on standard error and
nothing lost; 130 stopped by Ctrl-C, 143 by SIGTERM.
"""

import sys

import typer
from rich.text import Text

from introspect.cli.bench import bench
from introspect.cli.compare import compare
from introspect.cli.criteria import sibling, validate
from introspect.cli.doctor import doctor
from introspect.cli.exchange import export_vectors, import_vectors
from introspect.cli.export import export
from introspect.cli.figures import figures
from introspect.cli.folders import merge, pack
from introspect.cli.judges import calibrate, grade
from introspect.cli.lab import lab
from introspect.cli.lens import lens
from introspect.cli.long import long
from introspect.cli.methods import methods
from introspect.cli.models import models
from introspect.cli.organisms import organisms
from introspect.cli.panels import EXIT_CODES, ByWork
from introspect.cli.playground import ask, vectors
from introspect.cli.replay import replay
from introspect.cli.report import report
from introspect.cli.runs import analyze, run
from introspect.cli.sae import sae
from introspect.cli.stimuli import stimuli
from introspect.errors import IntrospectError
from introspect.redaction import redacted
from introspect.stopping import INTERRUPTED, TERMINATED, terminable
from introspect.terminal import Console

app = typer.Typer(
    name="introspect",
    cls=ByWork,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="When a language model reports on its own internal state, is the report about that state? "
    "Work goes: [bold]ask[/bold] to play, [bold]vectors extract[/bold], [bold]run[/bold] a plan, "
    "[bold]analyze[/bold], [bold]figures[/bold], [bold]report[/bold].",
    epilog=EXIT_CODES,
)
for _verb in (ask, lens, long(run), merge, pack, long(grade), analyze, compare, figures, report, methods):
    app.command(no_args_is_help=True)(_verb)
for _verb in (long(replay), long(sibling), export):
    app.command(no_args_is_help=True)(_verb)
for _verb in (long(calibrate), long(validate), long(bench), long(lab), models, doctor):
    app.command()(_verb)
vectors.command("export", no_args_is_help=True)(export_vectors)
vectors.command("import", no_args_is_help=True)(import_vectors)
app.add_typer(vectors)
app.add_typer(stimuli)
app.add_typer(organisms)
app.add_typer(sae)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    try:
        with terminable():
            app(args=arguments)
    except SystemExit as ended:  # how typer ends, Ctrl-C and wrong options included
        if ended.code in {INTERRUPTED, TERMINATED}:
            _say("stopped. What was finished is kept; the same command goes on from there.")
        raise
    except IntrospectError as error:
        _say("; ".join([str(error), *getattr(error, "__notes__", [])]))
    except OSError as error:
        _say(f"{error.filename or 'a file'} cannot be read or written: {error.strerror or error}")
    sys.exit(2)


def _say(sentence: str) -> None:
    out = Console(stderr=True, soft_wrap=True, quiet=False)
    out.print(Text.assemble(("introspect: ", "bold red"), redacted(sentence)))
