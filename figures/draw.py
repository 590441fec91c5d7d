"""Draw the gallery again from the results that are committed: ``make figures``.

Each folder of ``figures/results/`` is a whole run without its vector file, which no figure needs. Its figures go into
the folder of the same name beside it. A sidecar whose figure came out the same is left as it was, so that it keeps the
commit that drew it.
"""

import json
import sys
from pathlib import Path
from typing import Any

from introspect.analysis.analyze import analyze
from introspect.plots.provenance import provenance
from introspect.plots.run import run_figures
from introspect.plots.write import write_figures

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"


def galleries() -> list[str]:
    """Return the names of the committed results."""
    return sorted(folder.parent.name for folder in RESULTS.glob("*/manifest.json"))


def draw(name: str, out: Path) -> None:
    """Draw one gallery into a folder."""
    source = Path("figures") / "results" / name
    analysis = analyze(RESULTS / name)
    command = f"introspect figures {source} --out figures/{name}"
    before = {path.name: path.read_text("utf-8") for path in out.glob("*.json")}
    write_figures(run_figures(analysis), out, provenance(analysis, source, command))
    for path in out.glob("*.provenance.json"):
        drawn = path.name.replace(".provenance", "")
        unchanged = before.get(drawn) == (out / drawn).read_text("utf-8")
        if unchanged and path.name in before and _same(before[path.name], path.read_text("utf-8")):
            path.write_text(before[path.name], "utf-8")


def _same(first: str, second: str) -> bool:
    """Whether two sidecars differ in their commit alone."""
    one, two = ({**_read(text), "commit": None} for text in (first, second))
    return one == two


def _read(text: str) -> dict[str, Any]:
    return json.loads(text)


if __name__ == "__main__":
    for each in galleries():
        draw(each, HERE / each)
        sys.stdout.write(f"figures/{each}\n")
