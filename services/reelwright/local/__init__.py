"""One film in one process, with no broker."""
