"""Other users of the broker: other installations of Reelwright, and foreign consumers in this installation's groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reelwright.bus import topics
from reelwright.bus.kafka.names import BrokerNames, find_installations
from reelwright.bus.kafka.topics import open_admin
from reelwright.bus.settings import BusSettings


def find_other_installations(settings: BusSettings) -> list[str]:
    """The names of the other installations whose topics this login may see, sorted.

    Raises:
        UnavailableError: no broker answers.
        BrokerError: the broker refuses the login.
    """
    with open_admin(settings) as admin:
        return [name for name in find_installations(set(admin.list_topics())) if name != settings.prefix]


def find_foreign_consumers(settings: BusSettings) -> list[str]:
    """One line for every member of this installation's groups that reads a topic which is not the installation's.

    Such a member takes part in the group's assignment, and may keep the services from joining it.

    Raises:
        UnavailableError: no broker answers.
        BrokerError: the broker refuses the login, or does not let it describe the groups.
    """
    names = BrokerNames(settings.prefix)
    own = {names.topic(topic) for topic in topics.ALL}
    with open_admin(settings) as admin:
        # A broker that never had a group cannot describe one.
        known = {group["group_id"] for group in admin.list_groups()}
        wanted = [name for group in topics.GROUPS if (name := names.group(group)) in known]
        groups = admin.describe_groups(wanted) if wanted else {}
    return [
        f"group {name}: {member['client_id']} at {member['client_host'].lstrip('/')} reads {', '.join(foreign)}"
        for name, group in groups.items()
        for member in group["members"]
        if (foreign := sorted(set(_topics_of(member)) - own))
    ]


def _topics_of(member: Mapping[str, Any]) -> Iterator[str]:
    """The topics that a member asks for; none while it has not joined completely."""
    metadata = member["member_metadata"]
    if metadata:
        yield from metadata["topics"]
