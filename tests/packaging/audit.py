"""Hold the pinned versions against the public lists of vulnerabilities; one sentence where no list can be reached.

    python tests/packaging/audit.py PIP_AUDIT CONSTRAINTS [OSV_URL]

Asks PyPI, then OSV; a mirror of OSV may be named in the place of both. Ends with 0 where every version was looked up
and nothing is known, with 1 where something is, and with 2 where a version could not be looked up: nothing is known
then, and that is not the same as nothing found.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

SOURCES = {"PyPI": ["-s", "pypi"], "OSV": ["-s", "osv"]}
FOUND, UNKNOWN = 1, 2


def ask(tool, constraints, options):
    """Return what a list says of every version, or ``None`` and why it says nothing."""
    command = [tool, "--requirement", constraints, "--no-deps", "--disable-pip", "--format", "json", "--desc", "off"]
    command += ["--progress-spinner", "off", "--timeout", "15", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        told = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return None, reason(done.stderr) or f"exit code {done.returncode}"
    if told and all("skip_reason" in each for each in told):
        return None, f"its index here knows none of {len(told)} packages"
    return told, ""


def reason(text):
    """Return what the last line of an error says, without the layers of libraries around it."""
    last = text.strip().splitlines()[-1:] or [""]
    return re.sub(r".*Error\(\"[^:]*: (.*)\"\)\)", r"\1", last[0])


def judged(told, source):
    """Return the exit code and the sentences for what a list says."""
    missed = [f"{each['name']} ({each['skip_reason']})" for each in told if "skip_reason" in each]
    found = [
        f"{each['name']} {each['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no version'}"
        for each in told
        for flaw in each.get("vulns", [])
    ]
    if found:
        return FOUND, [f"{len(found)} known vulnerabilities, by {source}:", *found, *missed]
    if missed:
        return UNKNOWN, [f"{len(missed)} of {len(told)} pinned packages are not known to {source}: {', '.join(missed)}"]
    return 0, [f"no vulnerability is known of {len(told)} pinned packages, by {source}"]


def main():
    tool, constraints = sys.argv[1], Path(sys.argv[2])
    sources = {sys.argv[3]: ["-s", "osv", "--osv-url", sys.argv[3]]} if len(sys.argv) > 3 else SOURCES
    reasons = []
    for source, options in sources.items():
        told, why = ask(tool, constraints, options)
        if told is not None:
            code, sentences = judged(told, source)
            sys.stdout.write("\n".join(sentences) + "\n")
            sys.exit(code)
        reasons.append(f"{source}: {why}")
    sys.stderr.write(
        f"{constraints.name} was not audited: no list of vulnerabilities could be reached ({'; '.join(reasons)}); "
        "run make audit where one can be, or name a mirror of OSV with OSV_URL=...\n"
    )
    sys.exit(UNKNOWN)


if __name__ == "__main__":
    main()
