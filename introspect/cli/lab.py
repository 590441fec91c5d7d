"""``lab``: subjects behind a page on this machine, asked live with a vector and without."""

import threading
import webbrowser
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from introspect.cli.playground import AdapterOption, DeviceOption, DtypeOption, StimuliOption
from introspect.terminal import Console


def lab(  # noqa: PLR0913 - one option each
    subjects: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUBJECT…]",
            help="smollm2 (embedded; the default), a hub id, a folder, a .gguf file, each with +ADAPTER behind it "
            "if it has one, or an organism such as tiny-introspector or lora-parrot. The page chooses among several.",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        Path, typer.Option(metavar="DIR", help="Where trials are saved; of several subjects, each in a folder inside.")
    ] = Path("runs/lab"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any port that is free.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address only.")] = False,
    keep: Annotated[int, typer.Option(min=1, help="How many subjects stay in memory.")] = 2,
    concepts: Annotated[
        str, typer.Option(help="A shipped list, or a TOML or CSV file; organisms have their own.")
    ] = "lindsey_concepts",
    stimuli: StimuliOption = "default",
    temperature: Annotated[
        float | None, typer.Option(min=0, help="0 is greedy; by default 1, and 0 of organisms.", show_default=False)
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest reply.")] = 100,
    adapter: AdapterOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Serve a page on this machine: ask with a vector and without, side by side, and save trials to a run.

    The address holds a token, and only who has it is answered. Ctrl-C ends. docs/lab.md says what the page shows.

    introspect lab smollm2 tiny-introspector

    introspect lab smollm2 --run runs/lab --port 8899 --no-browser
    """
    from introspect.lab.choices import choices
    from introspect.lab.rooms import Rooms
    from introspect.lab.serve import Served

    settings = {
        "adapter": adapter, "device": device, "dtype": dtype, "concepts": concepts, "stimuli": stimuli,
        "temperature": temperature, "max_new_tokens": max_new_tokens,
    }  # fmt: skip
    console = Console(highlight=False, soft_wrap=True)
    rooms = Rooms(choices(subjects or ["smollm2"], run, settings), keep)
    rooms.open()
    served = Served(rooms, port)

    def ready() -> None:
        console.print(Text(f"introspect lab: {served.address}"))
        console.print(Text("Ctrl-C ends it; what was saved stays."))
        if not no_browser:
            threading.Thread(target=webbrowser.open, args=(served.address,), daemon=True).start()

    try:
        served.run(ready)
    except KeyboardInterrupt:
        console.print(Text("ended"))
