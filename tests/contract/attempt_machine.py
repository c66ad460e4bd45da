"""A state machine of a run's attempts: people submit and cancel, and processes of any age act from what they remember.

A test module subclasses `AttemptMachine` and supplies `make_root`.
"""

from __future__ import annotations

import hashlib
import tempfile
from abc import abstractmethod
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reelwright.bus.local.bus import LocalBus
from reelwright.bus.messages import read_message
from reelwright.bus.topics import EVENTS, TITLES
from reelwright.client.cancellation import cancel
from reelwright.client.submission import submit
from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import RunLedger
from reelwright.titles.errors import OutputError
from reelwright.wire.titles_pb2 import Event, TitleRequest
from tests.support.ledgers import RUN, record_of, request_of

OUTPUTS = ("x.mp4", "y.mp4")
SEGMENTS = 3
anyone = st.integers(0, 9)


class AttemptMachine(RuleBasedStateMachine):
    """Compares the ledger with a model after every step.

    Each process that was ever started stays, with the ledger of its attempt: it may have been frozen for any time.
    """

    @abstractmethod
    def make_root(self) -> str:
        """A location for a ledger that nobody has used."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.root = self.make_root()
        self.ledger = RunLedger(self.root, RUN)
        self.bus = LocalBus()
        self.titles, self.events = self.bus.listener([TITLES]), self.bus.listener([EVENTS])
        self.outputs: list[str] = []
        self.outcomes: dict[int, str] = {}
        self.committed: dict[int, set[int]] = {}
        self.processes: list[RunLedger] = []

    def teardown(self) -> None:
        self.bus.close()
        self.folder.cleanup()

    @property
    def last(self) -> int:
        """Number of the last attempt."""
        return len(self.outputs)

    @rule(output=st.sampled_from(OUTPUTS))
    def submit_title(self, output: str) -> None:
        request = request_of(output=f"{self.folder.name}/{output}")
        goes_on = self.last > 0 and self.last not in self.outcomes
        if goes_on and self.outputs[-1] != request.output:
            try:
                submit(request, self.ledger, self.bus)
            except OutputError:
                return
            raise AssertionError("an attempt under way got another output")
        assert submit(request, self.ledger, self.bus)
        if not goes_on:
            before = self.committed.get(self.last, set()) if self.outcomes.get(self.last) != "finished" else set()
            self.outputs.append(request.output)
            self.committed[self.last] = set(before)
            self.processes.append(self.ledger.at(self.last))
        (record,) = self.titles.poll(5)
        message = read_message(record, TitleRequest)
        assert (message.attempt, message.output) == (self.last, self.outputs[-1])

    @precondition(lambda self: self.outputs)
    @rule()
    def cancel_title(self) -> None:
        _, cancelled = cancel(RUN, lambda run, attempt=1: RunLedger(self.root, run, attempt), self.bus)
        # A cancellation that is repeated is the same outcome.
        assert cancelled == (self.outcomes.setdefault(self.last, "cancelled") == "cancelled")
        if cancelled:
            (record,) = self.events.poll(5)
            assert read_message(record, Event).attempt == self.last

    @precondition(lambda self: self.processes)
    @rule(who=anyone, segment=st.integers(0, SEGMENTS - 1))
    def commit_segment(self, who: int, segment: int) -> None:
        """An encoder commits what it encoded for its attempt, however late."""
        process = self._process(who)
        content = f"{segment} of {process.attempt}".encode()
        local = Path(self.folder.name) / hashlib.sha256(content).hexdigest()
        local.write_bytes(content)
        process.put_segment_file(segment, local)
        process.commit_segment(record_of(segment, content))
        self.committed[process.attempt].add(segment)

    @precondition(lambda self: self.processes)
    @rule(who=anyone)
    def fail_title(self, who: int) -> None:
        """A decoder writes the failure that it remembers, however late."""
        self._end(self._process(who), "failed")

    @precondition(lambda self: self.processes)
    @rule(who=anyone)
    def finish_title(self, who: int) -> None:
        """An encoder ends its attempt."""
        self._end(self._process(who), "finished")

    @precondition(lambda self: self.processes)
    @rule(who=anyone)
    def prune_finished(self, who: int) -> None:
        """An encoder that has finished its attempt removes what it worked with, however late."""
        process = self._process(who)
        if self.outcomes.get(process.attempt) == "finished":
            process.prune()
            for attempt in range(1, process.attempt + 1):
                self.committed[attempt] = set()

    @invariant()
    def the_ledger_is_as_the_model(self) -> None:
        for attempt, output in enumerate(self.outputs, 1):
            ledger = self.ledger.at(attempt)
            request, outcome = ledger.request(), ledger.outcome()
            assert request is not None
            assert (request.attempt, request.output) == (attempt, output)
            assert (outcome.state if outcome else None) == self.outcomes.get(attempt)
            assert outcome is not None or attempt == self.last
        if self.outputs:
            latest = self.ledger.latest()
            assert latest.attempt == self.last
            assert latest.committed_segments() == self.committed[self.last]
            for segment in self.committed[self.last]:
                record = latest.segment(segment)
                assert record is not None
                assert latest.segment_file(record, Path(self.folder.name)).stat().st_size == record.file_bytes

    def _process(self, who: int) -> RunLedger:
        return self.processes[who % len(self.processes)]

    def _end(self, process: RunLedger, state: str) -> None:
        wrote = process.put_outcome(Outcome.model_validate({"state": state}))
        assert wrote == (self.outcomes.setdefault(process.attempt, state) == state)
