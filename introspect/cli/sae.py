"""``sae``: concept vectors taken apart into features, runs read through features, and training an autoencoder."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from introspect.cli.long import long
from introspect.cli.output import JsonOption, print_json
from introspect.terminal import Console

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
    as_json: JsonOption = False,
) -> None:
    """Say which features a concept vector is made of, and how much of its squared norm they explain.

    introspect sae decompose runs/vectors/vectors.safetensors --sae runs/sae --concept bread

    introspect sae decompose runs/vectors/vectors.safetensors --sae runs/sae --by encoding
    """
    from introspect.vectors.decompose import decompose
    from introspect.vectors.sae import load_dictionary
    from introspect.vectors.vector import load_vectors

    loaded, dictionary = load_vectors(vectors), load_dictionary(source)
    if as_json:
        taken = [loaded.vector(name, dictionary.layer) for name in concept or loaded.directions]
        print_json([decompose(each, dictionary, by, n).model_dump(mode="json") for each in taken])
        return
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
    out: Annotated[Path, typer.Option(help="Folder for read.json and the figure.")],
    n: Annotated[int, typer.Option(min=1, help="Features: those that the injections change most.")] = 20,
    strength: Annotated[float | None, typer.Option(help="Only trials of this strength.")] = None,
) -> None:
    """Read a run's trials once more through an autoencoder: which features light up, and do they predict the report?

    introspect sae read runs/01 --sae runs/sae --out runs/01/features --strength 4

    introspect sae read runs/01 --sae runs/sae --out runs/01/features --n 50
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
    write_text(out / "read.json", json.dumps({**provenance, "features": table.to_dicts()}, indent=1) + "\n")
    figure = features(table, source=source, n_features=dictionary.n_features)
    write_figures({"features": figure}, out, provenance)
    Console(highlight=False).print(Text(f"{len(table)} features in {out / 'features.json'}, and the figure beside it"))


@sae.command("train", no_args_is_help=True)
@long
def train(  # noqa: PLR0913 - one option each
    subject: Annotated[str, typer.Argument(help="Whose residual stream.", show_default=False)],
    layer: Annotated[int, typer.Option(help="0-based block whose output is read.")],
    out: Annotated[Path, typer.Option(help="Folder of the autoencoder, its text and its card.")],
    tokens: Annotated[int, typer.Option(min=1000, help="That the subject writes first.")] = 300_000,
    features: Annotated[int, typer.Option(min=2, help="How many features.")] = 2304,
    active: Annotated[int, typer.Option(min=1, help="How many of them are active on a token.")] = 32,
    passes: Annotated[int, typer.Option(min=1, help="Over the text.")] = 6,
    batch: Annotated[int, typer.Option(min=2, help="Tokens a step.")] = 1024,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest reply.")] = 160,
    seed: Annotated[int, typer.Option(min=0, help="Of text and weights.")] = 0,
) -> None:
    """Train a small sparse autoencoder offline, on text that the subject writes itself; what is stopped goes on.

    introspect sae train smollm2 --layer 20 --out runs/sae

    introspect sae train smollm2 --layer 20 --tokens 20000 --features 512 --passes 2 --out runs/small_sae
    """
    from introspect.subjects.load import load_subject
    from introspect.subjects.sampled_texts import Sampling
    from introspect.subjects.train_sae import train_sae
    from introspect.vectors.sae_training import Recipe

    recipe = Recipe(d_sae=features, k=active, n_passes=passes, batch=batch, seed=seed)
    sampling = Sampling(n_tokens=tokens, seed=seed, max_new_tokens=max_new_tokens)
    Console(stderr=True, highlight=False).print(
        f"1/3 {tokens} tokens of the subject's own text; 2/3 block {layer} read on all of it; 3/3 {features} features, "
        f"{active} a token, {passes} passes. Ctrl-C is safe: the same command goes on."
    )
    found = train_sae(load_subject(subject), layer, out, sampling, recipe).held_out
    Console(highlight=False).print(
        Text(
            f"explained variance {found.explained_variance:.3f}, {found.l0:.1f} features a token, {found.dead} of "
            f"{found.n_features} dead on {found.n_tokens} tokens held out; the card is in {out}"
        )
    )
