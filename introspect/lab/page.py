"""The page of the live laboratory: one HTML text with its own script and style, made like the report page."""

from pathlib import Path
from typing import Any

from jinja2 import PackageLoader
from markupsafe import Markup

from introspect.lab.session import Session
from introspect.records import Where
from introspect.report.assets import STYLES, asset, environment, inert, island, policy
from introspect.report.page import subject_name
from introspect.sweeps.machine import packages

STRENGTH = 4.0
WORDS: dict[Where, str] = {
    "both": "prompt and reply",
    "prompt": "the prompt",
    "generated": "the reply",
    "cache": "the prompt but its last token",
}


class Page:
    """The page's text and the policy under which it runs: its own script and style, and requests to its own server.

    Args:
        session: What can be asked.
        path: Where trials are saved.
    """

    def __init__(self, session: Session, path: Path) -> None:
        own = "introspect.lab"
        style = inert("".join(asset(name) for name in STYLES) + asset("lab.css", package=own))
        shared = [asset(name) for name in ("page.js", "transcript.js")]
        script = inert("\n".join([*shared, asset("lab.js", package=own)]))
        self.policy = f"{policy(style, script)}; connect-src 'self'; frame-ancestors 'none'"
        templates = environment().overlay(loader=PackageLoader("introspect", "lab/templates"))
        self.html = templates.get_template("lab.html.j2").render(
            _words(session, path), style=Markup(style), script=Markup(script), questions=Markup(_questions(session))
        )


def _questions(session: Session) -> str:
    return island([{"wording": name, "task": task, "text": text} for name, task, text in session.questions])


def _words(session: Session, path: Path) -> dict[str, Any]:
    plan = session.plan
    return {
        "version": packages()["introspect"],
        "subject": subject_name(session.subject.identity),
        "concepts": session.concepts.names,
        "last_layer": session.subject.n_layers - 1,
        "layer": session.layer,
        "strength": f"{STRENGTH:g}",
        "wheres": list(WORDS.items()),
        "wordings": [(name, task) for name, task, _ in session.questions],
        "folder": str(path),
        "sampling": f"temperature {plan.temperature:g}, at most {plan.max_new_tokens} new tokens",
    }
