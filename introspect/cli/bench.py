"""``bench``: what the engine gives on this machine, and whether its outputs are those of batch 1."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from introspect.cli.playground import SubjectArgument
from introspect.terminal import Console

if TYPE_CHECKING:
    from introspect.bench.found import BenchReport


def bench(
    subject: SubjectArgument = "smollm2",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Short replies and few rows: a look, not a figure.")] = False,
    dtype: Annotated[list[str] | None, typer.Option(help="float32, bfloat16; repeatable; both by default.")] = None,
) -> None:
    """Time self-reports, yes–no scores and localisation as public code runs them and as the engine does.

    Every way is timed in this process on the same trials, and its outputs are compared with batch 1.

    introspect bench smollm2 --quick

    introspect bench smollm2 --json > bench.json
    """
    from introspect.bench.run import SAME_SCORE, n_rows
    from introspect.bench.run import bench as run_bench
    from introspect.errors import UnknownNameError
    from introspect.progress import track

    dtypes = dtype or list(SAME_SCORE)
    for name in dtypes:
        if name not in SAME_SCORE:
            raise UnknownNameError("dtype for the bench", name, SAME_SCORE)
    with track(f"bench of {subject}", n_rows(dtypes)) as advance:
        report = run_bench(subject, quick, dtypes, advance)
    if as_json:
        sys.stdout.write(report.model_dump_json(indent=2) + "\n")
    else:
        _show(Console(highlight=False), report)


def _show(console: Console, report: "BenchReport") -> None:
    table = Table(title=f"{report.subject}, {report.way}; × is against batch 1", title_justify="left")
    for name in ("task", "way", "dtype", "trials", "s/trial", "×", "equal", "ties", "MiB"):
        table.add_column(name, no_wrap=True, justify="left" if name in {"task", "way", "dtype"} else "right")
    for row in report.rows:
        equal = f"{row.equal_rows}/{row.rows}" if row.rows else "–"
        table.add_row(
            row.task, row.way, row.dtype, str(row.trials), f"{row.seconds_per_trial:.4f}", f"{row.ratio_to_batch1:.1f}",
            equal, str(row.near_tie_rows) if row.rows else "–", f"{row.peak_mib:.0f}",
        )  # fmt: skip
    console.print(table)
    console.print(
        "equal: rows whose tokens, or scores within the tolerance, are those of batch 1, of the rows compared"
    )
    for dtype, rate in report.matmul_gflops.items():
        fraction = report.decode_fraction_of_matmul.get(dtype)
        reached = f"; decoding reaches {100 * fraction:.0f} % of it" if fraction else ""
        console.print(f"{dtype}: {report.width[dtype]} rows; products alone run at {rate:.0f} GFLOP/s{reached}")
    for name, value in report.extras.items():
        console.print(f"{name.replace('_', ' ')}: {value:.3f}")
