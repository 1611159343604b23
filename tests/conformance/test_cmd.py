"""Commands and arguments: of the image, of the pod, with variables in them."""

from batch import look
from behaviour import each
from podkit import pod

NODE = "[NodeConformance] [Conformance]"
ARGV = "/proc/1/cmdline"


def plain(command, args=None, **more):
    return {"command": command, "args": args} | more


# The image's own: /usr/bin/grpc_health with the argument 9090, a server that stays.
SERVERS = {"defaults": {}, "arguments": {"args": ["9191"]}}
TABLE = {
    f"[sig-node] Containers should be able to override the image's default command (container entrypoint) {NODE}":
        look("", [f"cat\0{ARGV}\0"], container=plain(["cat", ARGV], image="grpc-health:1")),
    f"[sig-node] Containers should be able to override the image's default command and arguments {NODE}":
        look("", [f"cat\0{ARGV}\0"], container=plain(["cat"], [ARGV], image="grpc-health:1")),
    f"[sig-node] Variable Expansion should allow composing env vars into new env vars {NODE}":
        look("env", {"FOO=foo-value", "BAR=bar-value", "FOOBAR=foo-value;;bar-value"}, container={"env": [
            {"name": "FOO", "value": "foo-value"}, {"name": "BAR", "value": "bar-value"}, {"name": "FOOBAR", "value": "$(FOO);;$(BAR)"}]}),
    f"[sig-node] Variable Expansion should allow substituting values in a container's command {NODE}":
        look('TEST_VAR=wrong echo "$(TEST_VAR)"', ["test-value"], container={"env": [{"name": "TEST_VAR", "value": "test-value"}]}),
    f"[sig-node] Variable Expansion should allow substituting values in a container's args {NODE}":
        look("", ["test-value"], container=plain(["sh", "-c"], ['TEST_VAR=wrong echo "$(TEST_VAR)"'],
                                                 env=[{"name": "TEST_VAR", "value": "test-value"}])),
}
OBJECTS = [pod(name, {"name": "c", "image": "grpc-health:1"} | more, terminationGracePeriodSeconds=0) for name, more in SERVERS.items()]


@each(TABLE)
def test_what_is_run(batch, look):
    batch.check(look)


@each({f"[sig-node] Containers should use the image defaults if command and args are blank {NODE}": ("defaults", "9090"),
       f"[sig-node] Containers should be able to override the image's default arguments (container cmd) {NODE}": ("arguments", "9191")})
def test_what_of_the_image_is_run(batch, look):
    name, argument = look
    batch.running(name)
    assert batch.shell(name, f"cat {ARGV}") == f"/usr/bin/grpc_health\0{argument}\0"
