"""``ask`` and ``vectors extract``: one question to one subject, and the vectors of a whole list."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from introspect.cli.long import long
from introspect.cli.output import JsonOption, print_json
from introspect.records import Method, Where
from introspect.terminal import Console

if TYPE_CHECKING:
    from introspect.concepts import Concept
    from introspect.subjects.local import LocalSubject
    from introspect.subjects.subject import Reply
    from introspect.vectors.diagnose import Diagnosis
    from introspect.vectors.vector import ConceptVector

SubjectArgument = Annotated[
    str, typer.Argument(help="smollm2 (embedded), a hub id, a folder, or a .gguf file.", show_default=False)
]
AdapterOption = Annotated[str | None, typer.Option(help="Folder or hub id of a PEFT adapter.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")]
DtypeOption = Annotated[str, typer.Option(help="auto (as stored), float32, bfloat16 or float16.")]
StimuliOption = Annotated[str, typer.Option(help="A stimulus file of your own, for the extraction prompt.")]

vectors = typer.Typer(
    name="vectors", no_args_is_help=True, help="Concept vectors: extract them, and trade them with others."
)


def ask(  # noqa: PLR0913 - one option each
    subject: SubjectArgument,
    question: Annotated[str, typer.Argument(help="What to ask, as the user's turn.", show_default=False)],
    concept: Annotated[str | None, typer.Option(help="The concept to inject; none asks plainly.")] = None,
    layer: Annotated[int | None, typer.Option(help="Block to inject at, from 0; default two thirds of depth.")] = None,
    strength: Annotated[float, typer.Option(help="Multiplies the raw vector.")] = 4.0,
    where: Annotated[Where, typer.Option(help="Inject into the prompt, the generated tokens, or both.")] = "both",
    concepts: Annotated[str | None, typer.Option(help="List or file that has the concept, for own words.")] = None,
    stimuli: StimuliOption = "default",
    seed: Annotated[int, typer.Option(min=0, help="Sampling seed.")] = 0,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 1.0,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest reply.")] = 100,
    adapter: AdapterOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Ask one question with and without a concept injected, and show token by token where the vector went.

    introspect ask smollm2 "Do you notice an injected thought?" --concept bread --layer 20 --strength 4

    introspect ask smollm2 "What are you thinking of?" --concept oceans --where prompt --temperature 0
    """
    from introspect.concepts import find_concept, load_concepts
    from introspect.subjects.load import load_subject

    chosen = None
    if concept is not None:
        chosen = load_concepts(concepts).get(concept) if concepts else find_concept(concept)
    model = load_subject(subject, adapter=adapter, device=device, dtype=dtype)
    vector = _vector(model, chosen, layer, strength, stimuli) if chosen else None
    injected = [[vector], []] if vector is not None else [[]]
    sampling = {"seed": seed, "temperature": temperature, "max_new_tokens": max_new_tokens}
    console, said = Console(highlight=False), []
    for inject in injected:
        reply = model.ask(question, inject=inject, where=where, **sampling)
        if as_json:
            said.append(_as_json(reply, vector if inject else None))
        else:
            _show(console, model, reply, vector if inject else None)
    if as_json:
        print_json({"subject": model.identity.model_dump(mode="json"), "question": question, "replies": said})


@vectors.command("extract", no_args_is_help=True)
@long
def extract_vectors(  # noqa: PLR0913 - one option each
    subject: SubjectArgument,
    out: Annotated[Path, typer.Option(help="Folder for vectors.safetensors and diagnostics.json.")],
    concepts: Annotated[str, typer.Option(help="A shipped list, or a TOML or CSV file.")] = "lindsey_concepts",
    baseline: Annotated[str, typer.Option(help="Words whose mean is subtracted.")] = "lindsey_baseline",
    method: Annotated[Method, typer.Option(help="From words, or from contrastive pairs.")] = "word",
    layer: Annotated[int | None, typer.Option(help="Layer of the diagnostics; default two thirds of depth.")] = None,
    stimuli: StimuliOption = "default",
    adapter: AdapterOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Extract a vector for every concept of a list at every layer, and say how good each one is.

    The file holds one float32 tensor [n_layers, d_model] for each concept, named by its lower-case word.

    introspect vectors extract smollm2 --out runs/vectors

    introspect vectors extract smollm2 --concepts example_pairs --method pair_mean --out runs/pairs
    """
    from introspect.concepts import load_concepts
    from introspect.errors import LayerError
    from introspect.progress import track
    from introspect.stimuli import load_stimuli
    from introspect.subjects.load import load_subject
    from introspect.vectors.diagnose import as_json as as_json_bytes
    from introspect.vectors.diagnose import diagnose
    from introspect.vectors.extract import extract, n_prompts
    from introspect.vectors.vector import in_one_step

    words, base, texts = load_concepts(concepts), load_concepts(baseline), load_stimuli(stimuli)
    model = load_subject(subject, adapter=adapter, device=device, dtype=dtype)
    if layer is not None and not 0 <= layer < model.n_layers:
        raise LayerError(layer, model.n_layers, subject)
    with track("reading concept vectors", n_prompts(words, base, method)) as advance:
        extraction = extract(model, words, base, texts, method, advance)
    diagnoses = diagnose(extraction, model, layer)
    extraction.vectors.save(out / "vectors.safetensors")
    with in_one_step(out / "diagnostics.json") as draft:
        draft.write_bytes(as_json_bytes(diagnoses))
    if as_json:
        print_json(json.loads(as_json_bytes(diagnoses)))
        return
    console = Console(highlight=False)
    console.print(_diagnosis_table(diagnoses))
    console.print(Text(f"{len(diagnoses)} vectors in {out / 'vectors.safetensors'}; all layers in diagnostics.json"))


def _vector(
    model: "LocalSubject", concept: "Concept", layer: int | None, strength: float, stimuli: str
) -> "ConceptVector":
    from introspect.errors import StrengthError
    from introspect.progress import track
    from introspect.stimuli import load_stimuli
    from introspect.vectors.extract import concept_vector

    if not 0 <= strength < float("inf"):
        raise StrengthError(strength)
    at = round(2 / 3 * (model.n_layers - 1)) if layer is None else layer
    with track("reading the concept vector", 101) as advance:
        vector = concept_vector(model, concept, at, stimuli=load_stimuli(stimuli), progress=advance)
    return vector * strength


def _as_json(reply: "Reply", vector: "ConceptVector | None") -> dict[str, Any]:
    injected = (
        None if vector is None else {"concept": vector.concept, "layer": vector.layer, "strength": vector.strength}
    )
    audits = [each.model_dump(mode="json") for each in reply.audits]
    return {"injected": injected, "text": reply.text, "finish": reply.finish, "audits": audits}


def _show(console: Console, model: "LocalSubject", reply: "Reply", vector: "ConceptVector | None") -> None:
    from introspect.report.transcripts import audit_line

    title = f"{vector.concept} at layer {vector.layer}, strength {vector.strength:g}" if vector else "no injection"
    console.rule(Text(f"{title}; injected tokens stand in ⟦ ⟧" if vector else title), align="left")
    console.print(_tokens(model, reply))
    for audit in reply.audits:
        console.print(Text(audit_line(audit), style="dim"))


def _tokens(model: "LocalSubject", reply: "Reply") -> Text:
    from introspect.plots.text import visible

    prompt, text = reply.request.prompt, Text()
    span = reply.request.injections[0].span if reply.request.injections else None
    ranges = span.prompt if span else ()
    end = 0
    for index, (start, stop) in enumerate(prompt.offsets):
        start, stop = max(start, end), max(stop, end)
        text.append(visible(prompt.text[end:start]))
        inside = any(a <= index < b for a, b in ranges)
        _piece(text, visible(prompt.text[start:stop]), inside)
        end = stop
    text.append(visible(prompt.text[end:]))
    fed_back = reply.audit.edited_generated if span and span.generated else 0
    for index, token in enumerate(reply.tokens):
        _piece(text, visible(str(model.chat.tokenizer.decode([token]))), index < fed_back)
    return text


def _piece(text: Text, token: str, injected: bool) -> None:
    if token:
        text.append(f"⟦{token}⟧" if injected else token, style="bold magenta" if injected else "")


def _diagnosis_table(diagnoses: "list[Diagnosis]") -> Table:
    table = Table(title=f"concept vectors at layer {diagnoses[0].layer}", title_justify="left")
    for name in ("concept", "norm", "split-half cosine", "nearest concepts", "top tokens"):
        table.add_column(name, justify="right" if name in {"norm", "split-half cosine"} else "left")
    for each in diagnoses:
        split = f"{each.split_half[each.layer]:.3f}" if each.split_half else "–"
        near = ", ".join(f"{name} {cosine:.2f}" for name, cosine in each.nearest)
        tokens = " ".join(token.strip() for token in each.top_tokens[:6])
        table.add_row(Text(each.concept), f"{each.norm[each.layer]:.1f}", split, Text(near), Text(tokens))
    return table
