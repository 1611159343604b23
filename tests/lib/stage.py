#!/usr/bin/python3
"""One stage of pytest in several labs at once: stage.py OUT.json LABS TEST...

A test that fails is run once more, alone, when all others are done.  If it passes then it is named aloud as
"flaky: NAME" and does not fail the stage; what it said when it failed stands above.  More than MAX_AGAIN failures
are no flakes and are not run again.  OUT.json gets what became of each test in the end.
"""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
MAX_AGAIN = 8


def pytest(out, *args):
    """{test: what became of it}, and pytest's exit code."""
    if os.path.exists(out):
        os.unlink(out)
    env = os.environ | {"OUTCOMES": out, "PYTHONPATH": HERE, "PYTHONDONTWRITEBYTECODE": "1"}
    code = subprocess.call([sys.executable, "-m", "pytest", "-q", "-p", "outcomes", *args], env=env)
    try:
        with open(out) as f:
            return json.load(f), code
    except OSError:
        return {}, code or 1


def names(tests, outcome):
    return sorted(name for name, test in tests.items() if test["outcome"] == outcome)


def main(out, labs, *paths):
    tests, code = pytest(out, "-n", labs, "--dist", "loadfile", *paths)
    failed = names(tests, "failed")
    flaky = []
    again = [name for name in failed if "::" in name]
    if code == 1 and again == failed and 0 < len(failed) <= MAX_AGAIN:
        print(f"once more, alone: {' '.join(failed)}", flush=True)
        second, code = pytest(out, *failed)
        tests |= second
        flaky = [name for name in failed if second.get(name, {}).get("outcome") == "passed"]
        for name in failed:
            print(f"flaky: {name} (failed, then passed)" if name in flaky else f"failed twice: {name}")
    with open(out, "w") as f:
        json.dump(tests, f, indent=1)
    count = {outcome: len(names(tests, outcome)) for outcome in ("passed", "failed", "skipped")}
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped, {len(flaky)} flaky", flush=True)
    return 1 if code or count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
