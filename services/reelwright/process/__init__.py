"""One role of a cluster as a process."""
