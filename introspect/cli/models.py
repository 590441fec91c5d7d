"""``models``: which models the lab can carry, and how one runs here."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from introspect.cli.output import JsonOption, print_json
from introspect.cli.playground import AdapterOption, DeviceOption, DtypeOption
from introspect.terminal import Console

TESTED = (
    "Llama, Qwen2, Qwen3, Gemma 2, Gemma 3, Mistral, GPT-2, GPT-NeoX, OLMo 3, Phi-3, gpt-oss: the prefix's keys and "
    "values exist once for all rows.\n"
    "Qwen3-Next, Kimi Linear, Mamba 2: the state behind the prefix is copied into each row.\n"
    "Any other causal language model of transformers: it is asked, and takes a full prefill of every row where its "
    "logits come out different with a shared prefix."
)


def models(
    subject: Annotated[
        str | None, typer.Argument(help="A subject to load and ask; none lists the families.", show_default=False)
    ] = None,
    adapter: AdapterOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """List the families that the engine is tested on, or load a subject and say how it is run, and why.

    introspect models

    introspect models smollm2
    """
    console = Console(highlight=False)
    if subject is None:
        if as_json:
            print_json({"families": [line.partition(":")[::2] for line in TESTED.splitlines()]})
            return
        console.print(Text(TESTED))
        return
    from introspect.subjects.load import load_subject

    loaded = load_subject(subject, adapter=adapter, device=device, dtype=dtype)
    identity = loaded.identity
    table = Table(title=subject, title_justify="left", show_header=False)
    rows = {
        "fingerprint": identity.fingerprint,
        "layers": f"{identity.n_layers} of width {identity.d_model}, {identity.dtype}",
        "prompts": "its chat template" if identity.format == "chat" else "a plain transcript: it has no chat template",
        "cache": f"{loaded.cache_bytes_per_token() / 1024:.1f} KiB a token",
        **loaded.engine.describe(),
    }
    if as_json:
        print_json({"subject": subject} | rows)
        return
    for name, value in rows.items():
        table.add_row(name, Text(value))
    console.print(table)
