"""The verbs of the command line in the order in which work goes, for ``introspect --help``."""

from typing import Any

from typer.core import TyperGroup

PANELS: dict[str, tuple[str, ...]] = {
    "1. Look around": ("doctor", "models", "ask", "lab", "lens"),
    "2. Prepare": ("vectors", "stimuli", "sae"),
    "3. Run": ("run", "sibling", "merge", "pack"),
    "4. Grade": ("grade", "calibrate"),
    "5. Read": ("analyze", "compare", "replay"),
    "6. Show": ("report", "figures", "methods", "export"),
    "The laboratory itself": ("validate", "organisms", "bench"),
}
"""Each panel of the help, and the verbs in it; one that is not in the table stands in a panel of its own at the end."""

OTHERS = "More"
EXIT_CODES = (
    "Exit codes: 0 done; 1 a check that was asked for did not pass (doctor, validate, replay, organisms make or "
    "evaluate); 2 bad input, with one sentence on standard error and nothing half-written; 130 stopped by Ctrl-C, 143 "
    "by SIGTERM, and the same command goes on from there."
)
_PLACE = {verb: (panel, place) for panel, verbs in PANELS.items() for place, verb in enumerate(verbs)}


class ByWork(TyperGroup):
    """A command whose help groups its verbs by the order of work."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - typer's own settings
        super().__init__(**settings)
        order = [*PANELS, OTHERS]
        for name, command in self.commands.items():
            command.rich_help_panel = _panel(name)  # pyright: ignore[reportAttributeAccessIssue]
        ranked = sorted(self.commands, key=lambda name: (order.index(_panel(name)), _PLACE.get(name, ("", 0))[1]))
        self.commands = {name: self.commands[name] for name in ranked}


def _panel(verb: str) -> str:
    return _PLACE[verb][0] if verb in _PLACE else OTHERS
