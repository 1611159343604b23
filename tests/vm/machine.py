"""One machine under qemu, without acceleration and without a network; what it says on its second serial line."""

import os
import select
import socket
import subprocess
import sys
import time


class MachineError(Exception):
    pass


class Machine:
    """A disk of its own over the image's, which outlives power cuts; console.log beside it."""

    def __init__(self, scratch, image, payload, init, memory=2048, processors=2):
        self.scratch, self.image, self.payload, self.init = scratch, image, payload, init
        self.memory, self.processors = memory, processors
        self.disk, self.console = os.path.join(scratch, "disk"), os.path.join(scratch, "console.log")
        self.process, self.line, self.rest = None, None, b""
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", os.path.join(image, "disk"),
                        self.disk], check=True)

    def _command(self, line):
        drive = "if=virtio,discard=unmap"
        return ["setpriv", "--pdeathsig", "KILL",  # it ends with us, however we end
                "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-machine", "q35",
                "-m", str(self.memory), "-smp", str(self.processors), "-nodefaults", "-no-user-config", "-nic", "none",
                "-display", "none", "-no-reboot",
                "-kernel", os.path.join(self.image, "vmlinuz"), "-initrd", os.path.join(self.image, "initrd"),
                "-append", f"console=ttyS0 quiet panic=-1 systemd.show_status=1 vm.init={self.init}",
                "-drive", f"{drive},format=qcow2,file={self.disk}",
                "-drive", f"{drive},format=raw,readonly=on,file={self.payload}",
                "-chardev", f"file,id=console,append=on,path={self.console}", "-serial", "chardev:console",
                "-chardev", f"socket,id=tests,path={line}", "-serial", "chardev:tests"]

    def power_on(self):
        path = os.path.join(self.scratch, "line")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(1)
            listener.settimeout(60)
            self.process = subprocess.Popen(self._command(path), stdin=subprocess.DEVNULL, stdout=sys.stderr)
            try:
                self.line, _ = listener.accept()
            except TimeoutError:
                self.power_cut()
                raise MachineError("qemu does not start") from None
            finally:
                os.unlink(path)
        self.rest = b""

    def lines(self, silence, deadline):
        """What the machine says, line by line, until it ends; @silence: seconds without a word are an error."""
        while True:
            patience = min(silence, deadline - time.monotonic())
            if patience <= 0 or not select.select([self.line], [], [], patience)[0]:
                raise MachineError("silent for too long" if patience == silence else "the time is over")
            data = self.line.recv(65536)
            if not data:
                return
            *whole, self.rest = (self.rest + data).split(b"\n")
            for line in whole:
                yield line.decode(errors="replace").rstrip("\r")

    def power_cut(self):
        """What the machine had not written to its disk is lost."""
        if self.line is not None:
            self.line.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = self.line = None
