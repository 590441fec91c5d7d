"""The page of the live laboratory, made like the report page; and its live pane alone, for a notebook's widget."""

import re
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from introspect.records import Where
from introspect.report.assets import STYLES, asset, environment, inert, island, policy
from introspect.sweeps.machine import packages

OWN = "introspect.lab"
WORDS: dict[Where, str] = {
    "both": "prompt and reply",
    "prompt": "the prompt",
    "generated": "the reply",
    "cache": "the prompt but its last token",
}
_ROOT = re.compile(r":root(\[[^\]]*\])?")


class Page:
    """The page's text and the policy under which it runs: its own script and style, and requests to its own server.

    Args:
        subjects: What is on offer, by name.
    """

    def __init__(self, subjects: Sequence[str]) -> None:
        own_style = inert(style())
        script = inert(scripts("page.js", "theme.js", "transcript.js", own=("pane.js", "lab.js")))
        self.policy = f"{policy(own_style, script)}; connect-src 'self'; frame-ancestors 'none'"
        self.html = (
            _templates()
            .get_template("lab.html.j2")
            .render(
                version=packages()["introspect"],
                wheres=list(WORDS.items()),
                subjects=Markup(island(list(subjects))),
                style=Markup(own_style),
                script=Markup(script),
            )
        )


def scripts(*shared: str, own: Sequence[str] = ()) -> str:
    """Return files of the report page's script and of the laboratory's as one."""
    return "\n".join([*(asset(name) for name in shared), *(asset(name, package=OWN) for name in own)])


def style() -> str:
    """Return the rules of style, which are the report page's and a few more."""
    return "".join(asset(name) for name in STYLES) + asset("lab.css", package=OWN)


def pane() -> str:
    """Return the pane's markup, for something that is no page."""
    return _templates().get_template("pane.html.j2").render(wheres=list(WORDS.items()))


def pane_style() -> str:
    """Return the rules of style for a tree of its own inside another page: the root and the body are the tree's."""
    rules = _ROOT.sub(lambda found: f":host({found[1]})" if found[1] else ":host", style())
    return rules.replace("\nbody {", "\n.body {") + asset("widget.css", package=OWN)


def _templates() -> Environment:
    return environment().overlay(loader=PackageLoader("introspect", "lab/templates"))
