"""A broker whose address refuses connections for a while, as a Kubernetes Service does that has no pod.

    unshare --user --map-root-user --net python -m tests.support.refused_broker IPTABLES

Needs a network of its own, whose packet filter it changes with the program `IPTABLES`. It kills the broker under a bus
that has an idle member of a group and an idle listener, refuses each connection by an ICMP error, starts the broker
again, and refuses the first packet of each connection only, until both readers have a new record. It prints a JSON
object: the turns of the client library's loops for each packet that was sent to the broker, while all is idle (`calm`),
while connections are refused (`away`), and while all is idle again (`back`).
"""

from __future__ import annotations

import fcntl
import itertools
import json
import selectors
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from reelwright.bus.protocol import Consumer
from scripts.servers.kafka import KafkaServer
from tests.contract.bus import finishes, in_thread
from tests.support.brokers import new_group, new_topic, open_bus
from tests.support.role_processes import until

_PACKETS = 25  # of each phase
# Of the packets that open a connection: the first one is refused. Its repetition, a second later, is not.
_EVERY_OTHER = ("-m", "statistic", "--mode", "nth", "--every", "2", "--packet", "0")
_SET_FLAGS, _UP = 0x8914, 1  # of netdevice(7)


def _count_turns() -> Iterator[int]:
    """Counts the turns of every loop of the client library from now on; `next` gives the number so far."""
    # An iterator of C code, which threads may share.
    turns, select = itertools.count(), selectors.DefaultSelector.select

    def count_and_select(
        self: selectors.DefaultSelector, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        next(turns)
        return select(self, timeout)

    selectors.DefaultSelector.select = count_and_select  # type: ignore[method-assign]
    return turns


class _Rules:
    """The packet filter of this network, for connections to one port."""

    def __init__(self, program: str, port: str) -> None:
        self._program = program
        self._to_port = ("-p", "tcp", "--dport", port)
        self._iptables("-A", "OUTPUT", *self._to_port)

    @property
    def packets(self) -> int:
        """How many packets were sent to the port."""
        return int(self._iptables("-nvxL", "OUTPUT").splitlines()[2].split()[0])

    @contextmanager
    def refusing(self, *which: str) -> Iterator[None]:
        """Answers packets that open a connection with `port unreachable`, until the context ends.

        Args:
            *which: options of the rule that choose some of these packets; all unless given.
        """
        rule = (*self._to_port, "--syn", *which, "-j", "REJECT")
        self._iptables("-A", "OUTPUT", *rule)
        try:
            yield
        finally:
            self._iptables("-D", "OUTPUT", *rule)

    def _iptables(self, *arguments: str) -> str:
        command = [self._program, *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _read(consumer: Consumer, found: set[bytes], over: threading.Event) -> None:
    while not over.is_set():
        for record in consumer.poll(1.0):
            found.add(record.value)
            consumer.acknowledge(record)


def _measure(rules: _Rules, turns: Iterator[int]) -> float:
    """Turns of the loops per packet, over the next packets."""
    packets, before = rules.packets, next(turns)
    until(lambda: rules.packets - packets >= _PACKETS, "packets are sent to the broker", poll=0.5)
    return (next(turns) - before) / (rules.packets - packets)


def _run(kafka: KafkaServer, rules: _Rules) -> dict[str, float]:
    topic = new_topic(kafka)
    measure = partial(_measure, rules, _count_turns())
    # Two seconds for an answer: an idle fetch is held for one, and connections to the killed broker are given up soon.
    bus = open_bus(kafka, answer_seconds=2)
    readers = [bus.consumer([topic], new_group()), bus.listener([topic])]
    found: list[set[bytes]] = [set() for _ in readers]
    over = threading.Event()
    reading = [in_thread(partial(_read, reader, values, over)) for reader, values in zip(readers, found, strict=True)]

    def pass_on(value: bytes) -> None:
        bus.publish(topic, b"key", value)
        until(lambda: all(value in values for values in found), f"both readers have the record {value!r}")

    try:
        pass_on(b"before")
        ratios = {"calm": measure()}
        kafka.kill()
        with rules.refusing(*_EVERY_OTHER):
            with rules.refusing():
                until(lambda: not bus.connected, "the bus says that the broker is away")
                ratios["away"] = measure()
                kafka.start()
            pass_on(b"after")
        return {**ratios, "back": measure()}
    finally:
        over.set()
        assert all(finishes(thread) for thread in reading)
        bus.close()


def main(program: str) -> None:
    """See the module."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", _UP))
    with KafkaServer() as kafka:
        json.dump(_run(kafka, _Rules(program, kafka.bootstrap.rpartition(":")[2])), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
