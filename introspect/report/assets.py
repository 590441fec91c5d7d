"""What every page is made with: its template engine, its files, and the policy under which it runs.

Every piece of data reaches a page either through the template, which escapes it, or through a data block that no HTML
parser can mistake for markup and that the script turns into text nodes. A content security policy names the scripts and
the style by their hashes, so that nothing else would run even if something slipped through.
"""

import base64
import hashlib
import json
import re
import zlib
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from introspect.plots.text import visible

STYLES = ("page.css", "browser.css")
SCRIPTS = ("page.js", "theme.js", "transcript.js", "browser.js", "figures.js")
VIRTUAL = "virtual-core.min.js"
GZIP = 31
"""How zlib is told to write gzip, the form that browsers unpack."""

_MAPS = re.compile(r'getElementById\("([0-9a-f]{64})"\)')
"""Plotly carries a library for maps, which adds its style unless there is an element of this name."""

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def island(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write JSON that no HTML parser can take for markup, whatever strings are in it."""
    return _json(value).translate(_ESCAPES)


def packed(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write JSON compressed, in signs that no HTML parser can take for markup; the same value gives the same text."""
    return base64.b64encode(zlib.compress(_json(value).encode(), 9, GZIP)).decode()


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def rendered(template: str, *, drawings: Any, browser: Any, sizes: str = "", **words: Any) -> str:  # noqa: ANN401
    """Fill a template.

    Args:
        template: Its name.
        drawings: The figures' data by name; a page without any does not carry plotly.
        browser: What the trial browser shows.
        sizes: Rules of style for the figures of this page.
        words: Everything else the template names.
    """
    style = inert("".join(asset(name) for name in STYLES) + sizes)
    scripts = {"plotly": inert(get_plotlyjs())} if drawings else {}
    maps = _MAPS.search(scripts.get("plotly", ""))
    scripts["page"] = inert("\n".join([asset(VIRTUAL, "vendor"), *(asset(name) for name in SCRIPTS)]))
    return (
        environment()
        .get_template(template)
        .render(
            words,
            style=Markup(style),
            style_id=maps[1] if maps else "style",
            policy=policy(style, *scripts.values()),
            scripts=[Markup(script) for script in scripts.values()],
            drawings=Markup(island(drawings)),
            browser_data=Markup(packed(browser)),
        )
    )


def environment() -> Environment:
    """Return the template engine: everything is escaped, and nothing may be left undefined."""
    return Environment(
        loader=PackageLoader("introspect", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def policy(style: str, *scripts: str) -> str:
    """Return the content security policy under which just this style and these scripts run, and nothing is loaded.

    Plotly makes style elements and attributes without any text, and then sets rules by their interface; so the empty
    text passes, in attributes, too.
    """
    hashes, styles = (
        " ".join(f"'sha256-{_base64_digest(text)}'" for text in texts) for texts in (scripts, (style, ""))
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-hashes' {styles}; img-src data: blob:; "
        "font-src data:; base-uri 'none'; form-action 'none'"
    )


def _base64_digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def asset(name: str, folder: str = "assets", package: str = "introspect.report") -> str:
    """Return a file of a page's own."""
    return files(package).joinpath(folder, name).read_text(encoding="utf-8")


def inert(script: str) -> str:
    """Return a script that cannot close its own element, with the line ends an HTML parser hashes."""
    return script.replace("\r\n", "\n").replace("\r", "\n").replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _shown(value: object) -> object:
    """Make text visible, and keep a percentage on one line; what is already markup passes."""
    return visible(value).replace(" %", "\u00a0%") if type(value) is str else value
