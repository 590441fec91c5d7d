"""``vectors export`` and ``vectors import``: concept vectors as control vectors, and control vectors as ours."""

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from introspect.cli.output import JsonOption, print_json, written
from introspect.cli.playground import AdapterOption
from introspect.terminal import Console

NO_FILE = re.compile(r"[/\\\x00-\x1f]")
"""What a concept's name may have and a file's name may not."""


def export_vectors(
    vectors: Annotated[Path, typer.Argument(metavar="FILE", help="A vector file of ours.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for one .gguf file a concept.")],
    concept: Annotated[list[str] | None, typer.Option(help="Only this concept; repeatable.")] = None,
    hint: Annotated[str | None, typer.Option(help="Kind of model, such as llama; default the subject's name.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write concept vectors as GGUF control vectors, which llama.cpp and repeng read.

    direction.N is the vector at the output of block N, from 1: llama.cpp takes none for block 0.

    introspect vectors export runs/vectors/vectors.safetensors --out runs/control --concept bread

    introspect vectors export runs/vectors/vectors.safetensors --out runs/control --hint llama
    """
    from introspect.vectors.control_vector import write_control_vector
    from introspect.vectors.vector import load_vectors

    loaded = load_vectors(vectors)
    names = [name.strip().lower() for name in concept or loaded.directions]
    for name in names:
        loaded.vector(name, loaded.provenance.n_layers - 1)  # a name that is not there, before anything is written
    files = [out / f"{NO_FILE.sub('-', name)}.gguf" for name in names]
    for name, file in zip(names, files, strict=True):
        write_control_vector(loaded, name, file, hint)
    if as_json:
        print_json(written(files))
        return
    Console(highlight=False).print(Text(f"{len(names)} control vectors in {out}"))


def import_vectors(  # noqa: PLR0913 - one option each
    files: Annotated[list[Path], typer.Argument(metavar="FILE.gguf …", help="Control vectors.", show_default=False)],
    subject: Annotated[str, typer.Option(help="Whose residual stream they belong to.")],
    out: Annotated[Path, typer.Option(help="Folder for vectors.safetensors.")],
    concept: Annotated[
        list[str] | None, typer.Option(help="Name of each file's concept, in order; default the file's name.")
    ] = None,
    from_generator: Annotated[
        bool, typer.Option("--from-generator", help="Made by llama.cpp's cvector-generator: N was read at block N - 1.")
    ] = False,
    adapter: AdapterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read GGUF control vectors as the concept vectors of a subject, for a plan's key vectors.

    Layers that a file lacks, block 0 always, are missing, and a plan that injects there is refused.

    introspect vectors import bread.gguf silver.gguf --subject smollm2 --out runs/theirs

    introspect vectors import happy.gguf --subject smollm2 --concept happiness --from-generator --out runs/theirs
    """
    from introspect.errors import StimulusError
    from introspect.subjects.load import load_subject
    from introspect.vectors.control_vector import as_vectors, read_control_vector

    names = concept or [file.stem for file in files]
    if len(names) != len(files) or len(set(names)) < len(names):
        message = f"{len(files)} files need as many different names of concepts; given: {', '.join(names)}"
        raise StimulusError(message)
    made_by = "cvector-generator" if from_generator else "repeng"
    found = {name: read_control_vector(file, made_by) for name, file in zip(names, files, strict=True)}
    vectors = as_vectors(found, load_subject(subject, adapter=adapter).identity)
    vectors.save(out / "vectors.safetensors")
    if as_json:
        print_json(written([out / "vectors.safetensors"]) | {"missing_layers": vectors.provenance.missing or ()})
        return
    missing = ", ".join(map(str, vectors.provenance.missing or ())) or "none"
    Console(highlight=False).print(
        Text(f"{len(found)} vectors in {out / 'vectors.safetensors'}; layers missing: {missing}")
    )
