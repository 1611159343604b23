"""The host outside the cluster: asks the entry, listens to WebSockets, keeps up a steady load.

What runs there is visitor.py, given to python on the lab's client host.
"""

import json
import os
import subprocess

from labsite import LAB, CommandFailed

HERE = os.path.dirname(os.path.realpath(__file__))
with open(os.path.join(HERE, "visitor.py"), encoding="utf-8") as f:
    VISITOR = f.read()


class Answer:
    def __init__(self, said):
        self.status, self.headers, self.text = said["status"], said["headers"], said["body"]

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def seen_path(self):
        """The target as the stand-in application got it."""
        return self.headers.get("x-seen-path")

    @property
    def served_by(self):
        """service, version, pod"""
        return tuple(self.headers.get("x-served-by", "").split())

    def __repr__(self):
        return f"<{self.status} {self.seen_path} {self.text[:200]!r}>"


class Outside:
    def __init__(self, site):
        self.site = site

    def _start(self, verb, what):
        process = subprocess.Popen([LAB, "run", "client", "--", "/usr/bin/python3", "-c", VISITOR, verb, json.dumps(what)],
                                   env=self.site.env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return process

    def ask_all(self, requests, timeout=60):
        """Each request: {path, host, method, body, headers, port, tls, timeout}.  An answer or a text (no answer) each."""
        full = [{"address": self.site.control, "path": "/", **r} for r in requests]
        process = self._start("ask", full)
        try:
            said, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise CommandFailed(f"no answers after {timeout} s") from None
        answers = json.loads(said)
        return [a["failed"] if "failed" in a else Answer(a) for a in answers]

    def ask(self, path="/", **request):
        answer = self.ask_all([{"path": path, **request}])[0]
        if isinstance(answer, str):
            raise CommandFailed(f"{path}: {answer}")
        return answer

    def load(self, n=4, **request):
        return Load(self._start("load", {"address": self.site.control, "path": "/", "n": n, **request}))

    def websocket(self, path, say=(), idle=0, **request):
        """What was heard: first the greeting, then an answer to each word said, the last after @idle seconds."""
        process = self._start("websocket", {"address": self.site.control, "path": path, "say": list(say), "idle": idle,
                                            **request})
        said, _ = process.communicate(timeout=30 + idle)
        return json.loads(said)


class Load:
    """Requests at a steady pace until stopped."""

    def __init__(self, process):
        self.process = process

    def stop(self):
        """{answered, failed: [...], slowest, seconds, by: {version: n}}"""
        said, _ = self.process.communicate(timeout=60)
        return json.loads(said)
