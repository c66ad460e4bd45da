"""What a network does that refuses connections to the broker for a while."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.commands import TIMEOUT_SECONDS
from tests.support.optional import optional_program, own_network

# Far above what varies, and far below a loop that never waits: that one was measured at 20 and 120 times the calm one.
_MARGIN = 5


def test_a_broker_whose_address_refused_connections_leaves_no_busy_loop() -> None:
    """The client library's loops wait while ICMP errors refuse connections, and after a connection came out of one."""
    iptables = optional_program("iptables", Path("/usr/sbin"), Path("/sbin"))
    command = [*own_network(iptables), sys.executable, "-m", "tests.support.refused_broker", iptables]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    turns = json.loads(done.stdout)
    assert turns["away"] < _MARGIN * turns["calm"]
    assert turns["back"] < _MARGIN * turns["calm"]
