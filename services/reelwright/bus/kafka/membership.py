"""Group membership: detects three states that kafka-python and static membership never leave by themselves."""

from __future__ import annotations

import time

from kafka import KafkaConsumer
from kafka import errors as kafka_errors
from kafka.structs import MemberState

from reelwright.bus.kafka.overrides import has_heartbeat, needs_join, request_rejoin


class GroupMembership:
    """Checks the membership of one consumer. Each state below would otherwise last for ever.

    - The group's leader exceeds its poll interval between computing the assignment and receiving it. The library then
      regards it as a member, but sends no heartbeats.
    - A heartbeat is answered with "another member has this instance name" (fenced). The library does not report it.
    - A static member dies while it was to give up partitions. The broker lets it rejoin without a rebalance. It has
      nothing to give up any more, so nobody starts the second rebalance in which those partitions get a new owner.

    Args:
        consumer: the consumer.
        unstable_seconds: time without a stable membership after which the client has to be replaced.
        is_static: whether it is a static member (it has an instance name).
    """

    def __init__(self, consumer: KafkaConsumer, *, unstable_seconds: float, is_static: bool) -> None:
        self._consumer, self._unstable_seconds = consumer, unstable_seconds
        self._last_stable = time.monotonic()
        self._needs_rebalance = is_static

    def check(self) -> bool:
        """Checks the state and requests a rejoin where that helps. To be called before each poll.

        Returns:
            Whether the member is in its group and has nothing to do for that at the next poll.

        Raises:
            FencedInstanceIdError: of kafka-python: another member has this one's instance name.
            TimeoutError: the membership has not been stable for `unstable_seconds`.
        """
        state = self._consumer.group_metadata().state
        if state is not MemberState.STABLE:
            if time.monotonic() - self._last_stable > self._unstable_seconds:
                raise TimeoutError(f"no stable group membership for {self._unstable_seconds:.0f} s")
            if state is MemberState.REBALANCING:
                request_rejoin(self._consumer)
            return False
        if not has_heartbeat(self._consumer):
            raise kafka_errors.FencedInstanceIdError
        self._last_stable = time.monotonic()
        if self._needs_rebalance:
            self._needs_rebalance = False
            request_rejoin(self._consumer)
        return not needs_join(self._consumer)
