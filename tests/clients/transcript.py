"""Transcripts: what a user types and what comes back, as text that can be read and run.

    # a remark
    $ kubectl get ns default
    NAME      STATUS   AGE
    default   Active   <age>
    $ kubectl get pods nobody
    Error from server (NotFound): pods "nobody" not found
    [1]

A command may go on in a here-document.  "1.32$" and "1.20$" are for that kubectl only.  Output is stdout and
stderr together; a last line [N] is the exit status, when it is not 0.  What changes from run to run is written
<age>, <time>, <uid>, <version>, <id>.
"""

import difflib
import os
import re
import subprocess

PROMPT = re.compile(r"^(1\.\d+)?\$ (.*)$")
HERE_DOCUMENT = re.compile(r"<<'?(\w+)'?")
CHANGING = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uid>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"\b\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000"), "<time>"),
    (re.compile(r'(resourceVersion"?: )"\d+"'), r"\1<version>"),
    (re.compile(r"(?<=\s)(<invalid>|\d+[smh](\d+[sm])?)(?=\s*$|\s{2,})", re.M), "<age>"),
    (re.compile(r"(?<=127\.0\.0\.1:)\d+"), "<port>"),
)


class Step:
    def __init__(self, line, only, command):
        self.line, self.only, self.command, self.output = line, only, command, []

    def text(self):
        while self.output and not self.output[-1].strip():
            self.output.pop()
        return "\n".join(self.output)


def read(path):
    """The steps of a transcript."""
    steps, until = [], None
    for number, line in enumerate(open(path, encoding="utf-8").read().splitlines(), 1):
        prompt = PROMPT.match(line)
        if until is not None:
            steps[-1].command += "\n" + line
            until = None if line == until else until
        elif prompt:
            steps.append(Step(number, prompt.group(1), prompt.group(2)))
            here = HERE_DOCUMENT.search(line)
            until = here.group(1) if here else None
        elif line.startswith("#"):
            continue
        elif steps:
            steps[-1].output.append(line.rstrip())
    return steps


def steady(text):
    for pattern, word in CHANGING:
        text = pattern.sub(word, text)
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip("\n")


def run(command, env, timeout=60):
    done = subprocess.run(["bash", "-c", command], env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, timeout=timeout)
    return steady(done.stdout) + (f"\n[{done.returncode}]" if done.returncode else "")


def differences(path, version, env):
    """What came back otherwise, as text; "" when all is as written."""
    told = []
    for step in read(path):
        if step.only not in (None, version):
            continue
        have = run(step.command, env).lstrip("\n")
        if have != step.text():
            lines = difflib.unified_diff(step.text().splitlines(), have.splitlines(), "written", f"kubectl {version}", lineterm="")
            told.append(f"{os.path.basename(path)}:{step.line}: $ {step.command}\n" + "\n".join(lines))
    return "\n\n".join(told)


def rewrite(path, version, env):
    """The same transcript with what comes back now: for its author, to be read before it is kept."""
    out = []
    for step in read(path):
        out.append(f"{step.only or ''}$ {step.command}")
        out.append(run(step.command, env).lstrip("\n") if step.only in (None, version) else step.text())
    return "\n".join(line for line in out if line) + "\n"
