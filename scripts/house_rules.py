"""Checks the rules of CONTRIBUTING.md that a program can check (`make check`). Prints one line for each breach."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "services" / "reelwright"
WIRE = PACKAGE / "wire"
FOLDERS = (PACKAGE, ROOT / "tests", ROOT / "scripts", ROOT / "training")
MOST_LINES = 400


def sources(*folders: Path) -> Iterator[tuple[Path, str]]:
    """Path and text of every module that is written by hand."""
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            if WIRE not in path.parents:
                yield path, path.read_text()


def classes_that_stand_twice() -> Iterator[str]:
    """A class name is unique in the package, so that a search finds one class; generated messages count."""
    found: dict[str, list[Path]] = defaultdict(list)
    written = [*sources(PACKAGE), *((path, path.read_text()) for path in sorted(WIRE.glob("*.pyi")))]
    for path, text in written:
        for name in {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)}:
            found[name].append(path)
    for name, paths in sorted(found.items()):
        if len(paths) > 1:
            yield f"class {name} stands in {' and '.join(map(shown, paths))}"


def tests_without_a_sentence() -> Iterator[str]:
    """The docstring of a test is one line: the behaviour that it proves."""
    for path, text in sources(ROOT / "tests"):
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
                continue
            docstring = ast.get_docstring(node)
            if not docstring or "\n" in docstring:
                yield f"{shown(path)}:{node.lineno}: {node.name} needs a docstring of one line"


def long_files() -> Iterator[str]:
    """A file is short enough to be read at once."""
    for path, text in sources(*FOLDERS):
        lines = text.count("\n")
        if lines > MOST_LINES:
            yield f"{shown(path)}: {lines} lines, at most {MOST_LINES}"


def shown(path: Path) -> str:
    """The path from the root of the repository."""
    return str(path.relative_to(ROOT))


def main() -> None:
    """Prints every breach; the exit code is 1 when there is one."""
    breaches = [*classes_that_stand_twice(), *tests_without_a_sentence(), *long_files()]
    for breach in breaches:
        print(breach)
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
