"""A client's place in its group, where kafka-python (3.0.12) forgets to keep it."""

from __future__ import annotations

import time

from kafka import KafkaConsumer
from kafka import errors as kafka_errors
from kafka.structs import MemberState


class StaticMembership:
    """Makes up for what the library and static membership leave undone, each of which would last for ever.

    - The member that deals the partitions may run out of its poll's time between dealing them and hearing of it; then
      the library takes itself for a member, without heartbeats.
    - It tells nobody when a heartbeat is answered that another has its name.
    - A named member that died when it was to give partitions up is let in again without a new deal, has nothing to give
      up any more, and so nobody asks for the deal in which those partitions would go to their new owner.

    Args:
        consumer: the client.
        patience: seconds after which a client that is not settled in its group is given up.
        named: whether it is a static member.
    """

    def __init__(self, consumer: KafkaConsumer, patience: float, named: bool) -> None:
        self._consumer, self._patience = consumer, patience
        self._settled = time.monotonic()
        self._deal_wanted = named

    def keep(self) -> None:
        """To be called before each poll.

        Raises:
            FencedInstanceIdError: of kafka-python: another member has this one's name.
            TimeoutError: the member has not been settled in its group for too long.
        """
        coordinator = self._consumer._coordinator
        state = self._consumer.group_metadata().state
        if state is not MemberState.STABLE:
            if time.monotonic() - self._settled > self._patience:
                raise TimeoutError(f"not settled in its group for {self._patience:.0f} s")
            if state is MemberState.REBALANCING:
                coordinator.request_rejoin()
            return
        if not coordinator._heartbeat_enabled:
            raise kafka_errors.FencedInstanceIdError
        self._settled = time.monotonic()
        if self._deal_wanted:
            self._deal_wanted = False
            coordinator.request_rejoin()
