"""Generates the README of the chart from the comments of its values (`make values`). A test checks that it is current.

A comment that begins with `# --` describes the key below it, as in helm-docs.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

CHART = Path(__file__).resolve().parent.parent / "helm" / "reelwright"
VALUES = CHART / "values.yaml"
_KEY = re.compile(r"^( *)([A-Za-z]\w*):")
_COMMENT = re.compile(r"^ *# (-- )?(.*)")
_HEAD = """# Reelwright's chart

Film restoration as streaming microservices. [Installing](../../docs/kubernetes/install.md) says how to begin, and
[profiles](profiles) has values for several kinds of clusters. `helm` checks values against
[values.schema.json](values.schema.json), and names each mistake.

This file is generated from the comments in [values.yaml](values.yaml): `make values`.

| value | default | meaning |
|---|---|---|
"""


class Value(NamedTuple):
    """A value of the chart.

    Attributes:
        path: its name, with dots.
        default: as in values.yaml.
        meaning: its comment; empty if it has none.
    """

    path: str
    default: Any
    meaning: str


def values(text: str) -> Iterator[Value]:
    """Every key of a file of values, with its comment.

    Args:
        text: the file's content. Maps and lists in flow style are one value.
    """
    document = yaml.safe_load(text)
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        if found := _COMMENT.match(line):
            comment = ([] if found[1] else comment) + [found[2]]
        elif found := _KEY.match(line):
            path = [*path[: len(found[1]) // 2], found[2]]
            default = document
            for name in path:
                default = default[name]
            yield Value(".".join(path), default, " ".join(comment))
            comment = []
        elif not line.strip():
            comment = []


def table(text: str) -> str:
    """The README of a file of values: one line for each value that has a comment."""
    lines = [
        f"| `{value.path}` | `{json.dumps(value.default)}` | {value.meaning} |"
        for value in values(text)
        if value.meaning
    ]
    return _HEAD + "\n".join(lines) + "\n"


def main(target: Path) -> None:
    """Writes the README."""
    target.write_text(table(VALUES.read_text()))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else CHART / "README.md")
