"""Figures beside their goals: a table on the screen, row by row, and a file that programs read."""

import json
import os
import platform
import time


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]


class Report:
    def __init__(self):
        self.rows, self.raw = [], {}

    def misses(self):
        return [row["what"].strip() for row in self.rows if row["verdict"] == "miss"]

    def add(self, what, value, unit="", goal=None, note=""):
        """@goal: at most this much; None: only told."""
        verdict = "" if goal is None else "ok" if value <= goal else "miss"
        if not self.rows:
            self.head()
        self.rows.append({"what": what, "value": round(value, 3), "unit": unit, "goal": goal, "verdict": verdict,
                          "note": note})
        print(self._line(self.rows[-1]), flush=True)

    def skip(self, what, why):
        self.rows.append({"what": what, "value": None, "unit": "", "goal": None, "verdict": "skipped", "note": why})
        print(self._line(self.rows[-1]), flush=True)

    @staticmethod
    def _line(row):
        value = "-" if row["value"] is None else f"{row['value']:.4g} {row['unit']}".strip()
        goal = "" if row["goal"] is None else f"<= {row['goal']:g}"
        return f"{row['what']:52} {value:>14} {goal:>8} {row['verdict']:8} {row['note']}".rstrip()

    @staticmethod
    def head():
        print(f"{'':52} {'measured':>14} {'goal':>8}", flush=True)

    def write(self, path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        machine = {"kernel": platform.release(), "cpus": os.cpu_count(), "load": os.getloadavg()}
        with open(path, "w") as f:
            json.dump({"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "machine": machine,
                       "rows": self.rows, "raw": self.raw}, f, indent=1)
