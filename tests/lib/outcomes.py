"""pytest plugin: writes what became of each test to the file that $OUTCOMES names, for tests/lib/stage.py.

{"path and id of the test": {"outcome": "passed|failed|skipped", "behaviours": [...]}}; what could not be collected
is in it as failed, under the name of its file.
"""

import json
import os

WORSE = {"passed": 0, "skipped": 1, "failed": 2}


class Outcomes:
    def __init__(self, path, root):
        self.path, self.root, self.tests = path, root, {}

    def note(self, report, behaviours=()):
        name = os.path.relpath(os.path.join(self.root, report.nodeid))
        test = self.tests.setdefault(name, {"outcome": "passed", "behaviours": []})
        test["behaviours"] = sorted({*test["behaviours"], *behaviours})
        if WORSE[report.outcome] > WORSE[test["outcome"]]:
            test["outcome"] = report.outcome

    def pytest_runtest_logreport(self, report):
        self.note(report, [value for key, value in report.user_properties if key == "behaviour"])

    def pytest_collectreport(self, report):
        if report.failed:
            self.note(report)

    def pytest_sessionfinish(self):
        with open(self.path, "w") as f:
            json.dump(self.tests, f, indent=1)


def pytest_configure(config):
    # One that runs tests for another (pytest-xdist) leaves the writing to it.
    if not hasattr(config, "workerinput") and os.environ.get("OUTCOMES"):
        config.pluginmanager.register(Outcomes(os.environ["OUTCOMES"], config.rootpath))
