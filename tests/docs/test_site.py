"""The site builds strictly, and every page of the documentation stands in it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "docs" / "site" / "mkdocs.yml"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    asked = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(CONFIG), "--site-dir", str(out)]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(asked, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def test_every_page_of_the_documentation_and_every_experiment_stands_in_the_menu(site):
    home = (site / "index.html").read_text()
    wanted = {page.stem for page in (ROOT / "docs").glob("*.md")}
    wanted |= {f"experiments/{page.parent.name}" for page in (ROOT / "experiments").glob("*/README.md")}
    assert {name for name in wanted if f'href="{name}.html"' not in home} == set()


def test_the_pages_fetch_nothing_from_elsewhere(site):
    page = (site / "statistics.html").read_text()
    fetched = re.findall(r'<(?:script|img|iframe)[^>]* src="(https?:[^"]+)"', page)
    fetched += re.findall(r'<link[^>]* rel="(?:stylesheet|preload)"[^>]* href="(https?:[^"]+)"', page)
    assert fetched == []


def test_the_reference_has_every_public_name_and_every_verb(site):
    import introspect
    from introspect.cli.panels import PANELS

    names, verbs = (site / "api.html").read_text(), (site / "commands.html").read_text()
    homes = introspect._HOME
    assert [name for name in introspect.__all__ if f'id="introspect.{homes[name]}.{name}"' not in names] == []
    assert [verb for panel in PANELS.values() for verb in panel if f"introspect {verb}" not in verbs] == []


def test_the_mention_of_a_page_is_a_link_to_it(site):
    assert 'href="criteria.html"' in (site / "concepts.html").read_text().partition("<article")[2]
