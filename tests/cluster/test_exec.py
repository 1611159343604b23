"""Programs in containers: exec, attach, cp and run, as kubectl and the Python client ask for them.

Each of kubectl's two ways is tried: WebSockets (its first choice) and SPDY (all that older ones speak).
"""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import threading
import time

import pytest

import labfixtures
from labsite import wait_for

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: box}
spec:
  terminationGracePeriodSeconds: 0
  initContainers:
    - {name: before, image: "busybox:1", command: [sh, -c, "echo prepared"]}
  containers:
    - {name: main, image: "busybox:1", command: [sh, -c, "echo begun; exec sleep 3600"], env: [{name: COLOUR, value: green}]}
    - {name: other, image: "busybox:1", command: [sh, -c, "while true; do echo tick; sleep 0.2; done"]}
---
apiVersion: v1
kind: Pod
metadata: {name: reader}
spec:
  terminationGracePeriodSeconds: 0
  restartPolicy: Never
  containers:
    - {name: main, image: "busybox:1", stdin: true, stdinOnce: true, command: [sh, -c, "while read x; do echo got $x; done; echo over"]}
"""


@pytest.fixture(scope="module", params=["websocket", "spdy"])
def way(request):
    return {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "true" if request.param == "websocket" else "false"}


@pytest.fixture(scope="module")
def pods(whole_site):
    whole_site.up()
    with labfixtures.namespace(whole_site, "streams"):
        whole_site.kubectl("-n", "streams", "apply", "-f", "-", stdin=PODS)
        whole_site.kubectl("-n", "streams", "wait", "--for=condition=Ready", "pod/box", "pod/reader", "--timeout=60s",
                           timeout=70)
        yield whole_site


@pytest.fixture
def run(pods, way):
    """kubectl in the namespace, as bytes: (exit code, stdout, stderr)."""
    def one(*args, stdin=b"", timeout=30):
        done = subprocess.run(["kubectl", "-n", "streams", *args], env=pods.env | way, input=stdin, timeout=timeout,
                              capture_output=True)
        return done.returncode, done.stdout, done.stderr.decode()
    return one


class Terminal:
    """A kubectl at a terminal of its own."""

    def __init__(self, env, *args, size=(40, 120)):
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe("kubectl", ["kubectl", "-n", "streams", *args], env)
        self.resize(*size)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.fd, text.encode())

    def shows(self, text, seconds=20):
        def read():
            while select.select([self.fd], [], [], 0)[0]:
                try:
                    more = os.read(self.fd, 65536)
                except OSError:
                    break
                if not more:
                    break
                self.seen += more.decode(errors="replace")
            return text in self.seen
        wait_for(f"{text!r} at the terminal, which shows {self.seen!r}", seconds, read)

    def end(self):
        """Its exit code."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_output_and_exit_code(run):
    assert run("exec", "box", "-c", "main", "--", "sh", "-c", "echo $COLOUR; echo err >&2") == (0, b"green\n", "err\n")
    code, out, err = run("exec", "box", "-c", "main", "--", "sh", "-c", "echo out; exit 7")
    assert (code, out) == (7, b"out\n")
    assert err == "command terminated with exit code 7\n"


def test_the_default_container_is_the_first(run):
    code, out, err = run("exec", "box", "--", "hostname")
    assert (code, out) == (0, b"box\n")
    assert 'Defaulted container "main" out of: main, other, before (init)' in err


def test_refusals_in_kubernetes_words(run):
    code, _, err = run("exec", "box", "-c", "main", "--", "nosuch")
    assert code == 1 and 'exec: "nosuch": executable file not found in $PATH' in err
    code, _, err = run("exec", "box", "-c", "nosuch", "--", "ls")
    assert code == 1 and "container nosuch is not valid for pod box" in err
    code, _, err = run("exec", "box", "-c", "before", "--", "ls")
    assert code == 1 and 'unable to upgrade connection: container not found ("before")' in err
    code, _, err = run("exec", "nosuch", "--", "ls")
    assert code == 1 and 'pods "nosuch" not found' in err


def test_fifty_megabytes_through_cat(run):
    data = os.urandom(50_000_000)
    code, out, err = run("exec", "-i", "box", "-c", "main", "--", "cat", stdin=data, timeout=120)
    assert (code, err) == (0, "")
    assert out == data


def test_output_is_whole_when_nobody_hurries(pods, way):
    """A reader that waits holds the program up, and the agent keeps none of it."""
    node = pods.get("-n", "streams", "pod", "box")["spec"]["nodeName"]
    before = resident(pods, node)
    with subprocess.Popen(["kubectl", "-n", "streams", "exec", "box", "-c", "main", "--", "head", "-c", "60000000",
                           "/dev/zero"], env=pods.env | way, stdout=subprocess.PIPE) as process:
        assert process.stdout.read(1) == b"\0"
        largest = max(sample(pods, node) for _ in range(10))
        assert len(process.stdout.read()) == 59_999_999
        assert process.wait() == 0
    assert largest - before < 8_000, (before, largest)


def sample(pods, node):
    time.sleep(0.1)
    return resident(pods, node)


def resident(pods, node):
    """KiB of the node's agent."""
    pid = pods.run(node, "pgrep", "-o", "-f", "mkube agent").strip()
    return int(pods.run(node, "awk", "/^Rss/{print $2}", f"/proc/{pid}/smaps_rollup"))


def test_cp_both_ways(run, tmp_path):
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    data = os.urandom(3_000_000)
    (tmp_path / "tree" / "deep" / "file").write_bytes(data)
    assert run("cp", str(tmp_path / "tree"), "box:/tmp/tree", "-c", "main")[0] == 0
    assert run("cp", "box:/tmp/tree", str(tmp_path / "back"), "-c", "main")[0] == 0
    assert (tmp_path / "back" / "deep" / "file").read_bytes() == data
    assert run("exec", "box", "-c", "main", "--", "rm", "-r", "/tmp/tree")[0] == 0


def test_a_shell_at_a_terminal(pods, way):
    shell = Terminal(pods.env | way, "exec", "-it", "box", "-c", "main", "--", "sh")
    shell.shows("/ # ")
    shell.type("echo $((6*7)); tty; echo $TERM\r")
    shell.shows("42\r\n/dev/pts/0\r\nxterm\r\n")
    wait_for("the terminal's size", 10, lambda: size_is(shell, "40 120"))
    shell.resize(30, 90)
    wait_for("its new size", 10, lambda: size_is(shell, "30 90"))
    shell.type("exit 5\r")
    shell.shows("command terminated with exit code 5")
    assert shell.end() == 5


def size_is(shell, size):
    shell.seen = ""
    shell.type("stty size; echo d''one\r")
    shell.shows("done\r\n")
    return size in shell.seen


def test_a_program_ends_with_its_client(pods, way):
    node = pods.get("-n", "streams", "pod", "box")["spec"]["nodeName"]
    mark = "31%03d" % (os.getpid() % 1000)
    for flags in ("-i", "-it"):
        process = Terminal(pods.env | way, "exec", flags, "box", "-c", "main", "--", "sleep", mark)
        wait_for("the program", 10, lambda: pods.run(node, "pgrep", "-x", "-f", f"sleep {mark}", check=False).stdout)
        os.kill(process.pid, 9)
        process.end()
        wait_for("its end", 10, lambda: not pods.run(node, "pgrep", "-x", "-f", f"sleep {mark}", check=False).stdout)
        assert not pods.run(node, "pgrep", "-f", "exec-keeper", check=False).stdout


def test_what_is_left_in_the_background_is_not_waited_for(run):
    code, out, _ = run("exec", "box", "-c", "main", "--", "sh", "-c", "sleep 20 & echo done", timeout=10)
    assert (code, out) == (0, b"done\n")


def test_many_at_once(run):
    answers = [None] * 12

    def one(i):
        answers[i] = run("exec", "-i", "box", "-c", "main", "--", "cat", stdin=b"%d\n" % i * 1000)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(answers))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert answers == [(0, b"%d\n" % i * 1000, "") for i in range(len(answers))]


def test_attach_shows_what_comes(pods, way):
    with subprocess.Popen(["kubectl", "-n", "streams", "attach", "box", "-c", "other"], env=pods.env | way,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert [process.stdout.readline() for _ in range(3)] == [b"tick\n"] * 3
        process.terminate()


def test_attach_feeds_a_container(pods):
    """stdinOnce: the end of the first client's input is the container's."""
    done = subprocess.run(["kubectl", "-n", "streams", "attach", "-i", "reader"], env=pods.env, input=b"one\ntwo\n",
                          capture_output=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, b"got one\ngot two\nover\n")
    pods.kubectl("-n", "streams", "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/reader")


def test_run_a_command_and_forget_it(run, pods, way):
    # It waits for its input: what a program says before kubectl has attached is lost, as in Kubernetes.
    code, out, err = run("run", "once", "--rm", "-i", "--image=busybox:1", "--restart=Never", "--", "sh", "-c",
                         "read name && nslookup $name", stdin=b"kubernetes.default.svc.cluster.local\n", timeout=60)
    assert code == 0 and b"Address" in out, (out, err)
    assert run("get", "pod", "once")[0] == 1
    shell = Terminal(pods.env | way, "run", "typed", "--rm", "-it", "--image=busybox:1", "--restart=Never", "--", "sh")
    shell.shows("/ # ", 60)
    shell.type("echo $((6*7))\r")
    shell.shows("42\r\n")
    shell.type("exit 3\r")
    shell.shows("deleted", 60)
    assert shell.end() == 3


def test_the_python_client(pods):
    from kubernetes import client, config
    from kubernetes.stream import stream

    core = client.CoreV1Api(config.new_client_from_config(pods.kubeconfig))

    def execute(command, **options):
        options = {"stderr": True, "stdin": False, "stdout": True, "tty": False, "_preload_content": False} | options
        return stream(core.connect_get_namespaced_pod_exec, "box", "streams", container="main", command=command,
                      **options)

    assert execute(["sh", "-c", "echo $COLOUR"], _preload_content=True) == "green\n"
    shell = execute(["sh", "-c", "read x; echo got $x; echo bad >&2; exit 4"], stdin=True)
    shell.write_stdin("word\n")
    shell.run_forever(timeout=10)
    assert (shell.read_stdout(), shell.read_stderr(), shell.returncode) == ("got word\n", "bad\n", 4)


def test_an_agent_that_restarts_ends_its_streams(pods, way):
    node = pods.get("-n", "streams", "pod", "box")["spec"]["nodeName"]
    process = subprocess.Popen(["kubectl", "-n", "streams", "exec", "box", "-c", "main", "--", "sleep", "3199"],
                               env=pods.env | way, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("the program", 10, lambda: pods.run(node, "pgrep", "-x", "-f", "sleep 3199", check=False).stdout)
    pods.service(node, "restart", "agent")
    code = process.wait(timeout=20)  # over SPDY kubectl takes a lost connection for a good end
    assert code == 1 or way["KUBECTL_REMOTE_COMMAND_WEBSOCKETS"] == "false"
    wait_for("the program's end", 10, lambda: not pods.run(node, "pgrep", "-x", "-f", "sleep 3199", check=False).stdout)
    pods.up()
    wait_for("exec again", 20, lambda: pods.kubectl("-n", "streams", "exec", "box", "-c", "main", "--", "echo", "again",
                                                     check=False).stdout == "again\n")
