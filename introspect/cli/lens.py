"""``lens``: an injected concept's word through the logit lens, and the direct attribution of the injected direction."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from introspect.cli.playground import AdapterOption, DeviceOption, DtypeOption, StimuliOption, SubjectArgument
from introspect.terminal import Console

if TYPE_CHECKING:
    import polars as pl


def lens(  # noqa: PLR0913 - one option each
    subject: SubjectArgument,
    concept: Annotated[list[str], typer.Option(help="A concept to inject; repeatable.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for lens.json and the figure.")],
    layer: Annotated[int | None, typer.Option(help="Block to inject at, from 0; default two thirds of depth.")] = None,
    strength: Annotated[float, typer.Option(min=0, help="Multiplies the raw vector.")] = 4.0,
    question: Annotated[str, typer.Option(help="The user's turn; the vector is added to all of it.")] = (
        "Do you notice an injected thought? If so, which word is it about?"
    ),
    concepts: Annotated[str | None, typer.Option(help="List or file that has the concepts, for own words.")] = None,
    stimuli: StimuliOption = "default",
    adapter: AdapterOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Read an injected concept's word off every layer, with the injection and without, through TransformerLens.

    introspect lens smollm2 --concept bread --layer 20 --out figures/lens

    introspect lens smollm2 --concept bread --concept oceans --strength 2 --out figures/lens_two
    """
    import polars as pl

    from introspect.concepts import ConceptSet, find_concept, load_concepts
    from introspect.errors import LayerError, StimulusError
    from introspect.injection import Injection
    from introspect.plots.logit_lens import logit_lens
    from introspect.plots.write import write_figures, write_text
    from introspect.progress import track
    from introspect.stimuli import load_stimuli
    from introspect.subjects.lens import LensSubject
    from introspect.subjects.load import load_subject
    from introspect.subjects.logit_lens import read_lens
    from introspect.vectors.extract import extract, n_prompts

    given = load_concepts(concepts) if concepts else None
    chosen = ConceptSet(concept=tuple(given.get(each) if given else find_concept(each) for each in concept)).unique()
    for each in chosen.members:
        if each.unnamed:
            message = f"{each.word} has no word that could rise; give one, as in {each.word}=bread"
            raise StimulusError(message)
    baseline = load_concepts("lindsey_baseline")
    model = load_subject(subject, adapter=adapter, device=device, dtype=dtype)
    at = round(2 / 3 * (model.n_layers - 1)) if layer is None else layer
    if not 0 <= at < model.n_layers:
        raise LayerError(at, model.n_layers, subject)
    bridged = LensSubject(model)
    with track("reading concept vectors", n_prompts(chosen, baseline, "word")) as advance:
        vectors = extract(model, chosen, baseline, load_stimuli(stimuli), "word", advance).vectors
    prompt, frames = model.chat.ask(question), []
    with track("reading through the lens", len(chosen.members)) as advance:
        for name in chosen.names:
            put = Injection(vectors.vector(name, at) * strength, prompt.everywhere())
            frames.append(read_lens(bridged, prompt, [put], name).frame)
            advance()
    frame = pl.concat(frames)
    named = " ".join(f"--concept {name}" for name in chosen.names)
    provenance = {
        "subject": model.identity.model_dump(), "layer": at, "strength": strength, "question": question,
        "concepts": list(chosen.names),
        "command": f"introspect lens {subject} {named} --layer {at} --strength {strength:g} --out {out}",
    }  # fmt: skip
    write_text(out / "lens.json", json.dumps({**provenance, "rows": frame.to_dicts()}, indent=1) + "\n")
    write_figures({"logit_lens": logit_lens(frame, layer=at, strength=strength)}, out, provenance)
    console = Console(highlight=False)
    console.print(_table(frame))
    console.print(Text(f"every layer in {out / 'lens.json'}, and the figure beside it"))


def _table(frame: "pl.DataFrame") -> Table:
    """Tabulate the last layer, which is what the subject is about to say."""
    table = Table(title="the word as the next token", title_justify="left")
    for name in ("concept", "rank without", "rank with", "log p without", "log p with", "direct"):
        table.add_column(name, justify="left" if name == "concept" else "right")
    last = frame.filter(frame["layer"] == frame["layer"].max())
    for steered in last.filter(last["arm"] == "concept").iter_rows(named=True):
        plain = last.filter((last["arm"] == "none") & (last["concept"] == steered["concept"])).row(0, named=True)
        ranks = (str(plain["rank"]), str(steered["rank"]))
        numbers = (f"{each:.2f}" for each in (plain["logprob"], steered["logprob"], steered["direct"]))
        table.add_row(Text(steered["concept"]), *ranks, *numbers)
    return table
