#!/usr/bin/python3
"""N of 408: report.py OUTCOMES.json [AREA]: which behaviours stand, by area, from what tests/lib/stage.py wrote.

A behaviour stands when every test that shows it passed.
"""

import json
import sys

sys.dont_write_bytecode = True
from behaviour import KNOWN  # noqa: E402


def standing(outcomes):
    """({what every test of it showed}, {what a test failed or was left out})"""
    passed, broken = set(), set()
    for test in outcomes.values():
        (passed if test["outcome"] == "passed" else broken).update(test["behaviours"])
    return passed - broken, broken


def main(path, only=""):
    with open(path) as f:
        stand, broken = standing(json.load(f))
    print(f"{'area':8}{'mark':6}passed  open")
    for area in dict.fromkeys(area for area, _ in KNOWN.values()):
        names = [name for name, (a, _) in KNOWN.items() if a == area]
        if only and only.lower() != area.lower():
            continue
        good = [name for name in names if name in stand]
        print(f"{area:8}{KNOWN[names[0]][1]:6}{len(good):6}{len(names) - len(good):6}")
        if good or only:  # of an area nobody began, the line says enough
            for name in names:
                if name not in stand:
                    print(f"    {'failed' if name in broken else 'open'}: {name}")
    print(f"{len(stand)} of {len(KNOWN)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
