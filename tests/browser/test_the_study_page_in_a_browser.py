"""The page of a study as a reader has it: two subjects side by side, the criteria first, and everything reachable."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from pages import PHONE
from small_study import CHOICE, SUBJECT

STUDY = f"""{SUBJECT}layers = [2]
strengths = [1.5]
max_new_tokens = 20
{CHOICE}
[[experiment]]
name = "report"
wordings = ["it_v1"]
tasks = ["report"]
arms = ["concept", "covariance", "none"]

[[experiment]]
name = "asked"
protocol = "yes_no"
tasks = ["detection", "question/words"]
wordings = ["yn_v1"]
n_items = 4
arms = ["concept", "none"]
"""


@pytest.fixture(scope="module")
def study_file(tmp_path_factory):
    """The page of one small study on two tiny subjects: one that reports what is injected, and its base."""
    from introspect.analysis.analyze import analyze
    from introspect.analysis.studies import analyze_study
    from introspect.organisms.catalog import FOLDER
    from introspect.report.study import study_page
    from introspect.studies.study import run_study

    folder, tiny = tmp_path_factory.mktemp("study"), FOLDER / "tiny"
    plan = folder / "study.toml"
    plan.write_text(STUDY.format(folder=tiny))
    run_study(plan, folder / "told", [f"adapter={tiny}/introspector-0"])
    run_study(plan, folder / "untouched", [])
    studies = [analyze_study(folder / name) for name in ("told", "untouched")]
    return study_page(studies, [{name: analyze(run) for name, run in each.runs.items()} for each in studies])


def serious(page):
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    found = Axe().run(page).response["violations"]
    return [(each["id"], each["nodes"][0]["html"][:200]) for each in found if each["impact"] in {"serious", "critical"}]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_criteria_of_two_subjects_come_first_and_axe_finds_nothing_serious(opened, study_file, scheme):
    one = opened(color_scheme=scheme)
    page = one.go(study_file)
    table = page.locator("table.criteria").first
    assert "introspector-0 on base" in table.inner_text()
    assert table.bounding_box()["y"] < page.locator("#browser").bounding_box()["y"]
    page.locator(".plot").first.scroll_into_view_if_needed()
    page.wait_for_selector(".plot .main-svg")
    one.save(f"study-{scheme}")
    assert serious(page) == []


def test_on_a_phone_the_study_needs_no_scrolling_sideways_and_axe_finds_nothing_serious(opened, study_file):
    page = opened(viewport=PHONE).go(study_file)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert serious(page) == []
