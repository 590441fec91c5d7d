"""``sae``: concept vectors taken apart into features, runs read through features, and training an autoencoder."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

SourceOption = Annotated[
    str, typer.Option("--sae", help="A folder, or RELEASE/ID as sae-lens knows it.", show_default=False)
]

sae = typer.Typer(name="sae", no_args_is_help=True, help="Features of sparse autoencoders: use them, or train some.")


@sae.command("decompose", no_args_is_help=True)
def decompose_vectors(
    vectors: Annotated[Path, typer.Argument(metavar="FILE", help="A vector file of ours.", show_default=False)],
    source: SourceOption,
    concept: Annotated[list[str] | None, typer.Option(help="Only this concept; repeatable.")] = None,
    by: Annotated[Literal["cosine", "encoding"], typer.Option(help="Nearest rows, or the encoder.")] = "cosine",
    n: Annotated[int, typer.Option(min=1, help="Features to list.")] = 8,
) -> None:
    """Say which features a concept vector is made of, and how much of its squared norm they explain.

    introspect sae decompose runs/vectors/vectors.safetensors --sae runs/sae --concept bread

    introspect sae decompose runs/vectors/vectors.safetensors --sae runs/sae --by encoding
    """
    from introspect.vectors.decompose import decompose
    from introspect.vectors.sae import load_dictionary
    from introspect.vectors.vector import load_vectors

    loaded, dictionary = load_vectors(vectors), load_dictionary(source)
    table = Table(title=f"{source}: layer {dictionary.layer}, {dictionary.n_features} features", title_justify="left")
    for name in ("concept", "share", "features"):
        table.add_column(name)
    for name in concept or loaded.directions:
        found = decompose(loaded.vector(name, dictionary.layer), dictionary, by, n)
        table.add_row(
            Text(found.concept), f"{found.share:.3f}", "  ".join(f"#{i} {value:.2f}" for i, value in found.features)
        )
    Console(highlight=False).print(table)


@sae.command("read", no_args_is_help=True)
def read_run(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A finished run.", show_default=False)],
    source: SourceOption,
    out: Annotated[Path, typer.Option(help="Folder for features.json and the figure.")],
    n: Annotated[int, typer.Option(min=1, help="Features: those that the injections change most.")] = 20,
    strength: Annotated[float | None, typer.Option(help="Only trials of this strength.")] = None,
) -> None:
    """Read a run's trials once more through an autoencoder: which features light up, and do they predict the report?

    introspect sae read runs/01 --sae runs/sae --out runs/01/features --strength 4
    """
    from introspect.analysis.features import predictive
    from introspect.plots.features import features
    from introspect.plots.write import write_figures, write_text
    from introspect.studies.features import read_features
    from introspect.vectors.sae import load_dictionary

    dictionary = load_dictionary(source)
    table = predictive(read_features(folder, dictionary, n, strength))
    at = {} if strength is None else {"strength": strength}
    provenance = {
        "run": str(folder), "sae": source, "hook": dictionary.hook, "decoder": dictionary.digest, **at,
        "command": f"introspect sae read {folder} --sae {source} --out {out} --n {n}"
        + (f" --strength {strength:g}" if at else ""),
    }  # fmt: skip
    write_text(out / "features.json", json.dumps({**provenance, "features": table.to_dicts()}, indent=1) + "\n")
    figure = features(table, source=source, n_features=dictionary.n_features)
    write_figures({"features": figure}, out, provenance)
    Console(highlight=False).print(Text(f"{len(table)} features in {out / 'features.json'}, and the figure beside it"))
