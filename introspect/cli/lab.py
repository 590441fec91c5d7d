"""``lab``: a subject behind a page on this machine, asked live with a vector and without."""

import threading
import webbrowser
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from introspect.cli.playground import AdapterOption, DeviceOption, DtypeOption, StimuliOption
from introspect.terminal import Console


def lab(  # noqa: PLR0913 - one option each
    subject: Annotated[
        str, typer.Argument(help="smollm2 (embedded), a hub id, a folder, or a .gguf file.")
    ] = "smollm2",
    run: Annotated[Path, typer.Option(metavar="DIR", help="Where trials are saved, once one is.")] = Path("runs/lab"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any port that is free.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address only.")] = False,
    concepts: Annotated[str, typer.Option(help="A shipped list, or a TOML or CSV file.")] = "lindsey_concepts",
    stimuli: StimuliOption = "default",
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 1.0,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest reply.")] = 100,
    adapter: AdapterOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Serve a page on this machine: ask with a vector and without, side by side, and save trials to a run.

    The address holds a token, and only who has it is answered. Ctrl-C ends. docs/lab.md says what the page shows.

    introspect lab smollm2

    introspect lab smollm2 --run runs/lab --port 8899 --no-browser
    """
    from introspect.lab.folder import NAME
    from introspect.lab.serve import Served, open_session
    from introspect.sweeps.plans import plan_from

    content = {
        "name": NAME, "question": "Does the subject report a thought that is injected live?", "subject": subject,
        "adapter": adapter, "device": device, "dtype": dtype, "concepts": concepts, "stimuli": stimuli,
        "temperature": temperature, "max_new_tokens": max_new_tokens,
    }  # fmt: skip
    console = Console(highlight=False, soft_wrap=True)
    served = Served(open_session(plan_from(content, "introspect lab"), run), run, port)

    def ready() -> None:
        console.print(Text(f"introspect lab: {served.address}"))
        console.print(Text("Ctrl-C ends it; what was saved stays."))
        if not no_browser:
            threading.Thread(target=webbrowser.open, args=(served.address,), daemon=True).start()

    try:
        served.run(ready)
    except KeyboardInterrupt:
        console.print(Text("ended"))
