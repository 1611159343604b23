"""The site's name server: answers NAME.lab from /etc/hosts, and says that nothing else exists.

Runs on the registry host.  It is what nodes find in /etc/resolv.conf, so pods can be seen to reach names outside the
cluster.  Only what that takes: A records over UDP, one question per message (RFC 1035, section 4).
"""

import socket
import struct
import sys

TYPE_A, CLASS_IN, NXDOMAIN = 1, 1, 3
RESPONSE, AUTHORITATIVE, RECURSION_AVAILABLE = 0x8000, 0x0400, 0x0080


def names():
    with open("/etc/hosts") as f:
        fields = (line.split() for line in f)
        return {name + ".lab": line[0] for line in fields if line and "." in line[0] for name in line[1:]}


def question(message):
    """(name, type, where the question ends)"""
    labels, at = [], 12
    while length := message[at]:
        labels.append(message[at + 1:at + 1 + length].decode("ascii", "replace"))
        at += 1 + length
    return ".".join(labels).lower(), struct.unpack_from(">H", message, at + 1)[0], at + 5


def answer(message, known):
    name, kind, end = question(message)
    flags = RESPONSE | AUTHORITATIVE | RECURSION_AVAILABLE | (struct.unpack_from(">H", message, 2)[0] & 0x7900)
    record = b""
    if name in known and kind == TYPE_A:
        record = struct.pack(">HHHIH", 0xC00C, TYPE_A, CLASS_IN, 60, 4) + socket.inet_aton(known[name])
    elif name not in known:
        flags |= NXDOMAIN
    return message[:2] + struct.pack(">HHHHH", flags, 1, bool(record), 0, 0) + message[12:end] + record


def main():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((sys.argv[1], 53))
    known = names()
    while True:
        message, client = sock.recvfrom(4096)
        try:
            sock.sendto(answer(message, known), client)
        except (IndexError, struct.error):
            pass  # not a question


main()
