"""Checks the rules of CONTRIBUTING.md that a program can check (`make check`). Prints one line for each breach."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "services" / "reelwright"
WIRE = PACKAGE / "wire"
FOLDERS = (PACKAGE, ROOT / "tests", ROOT / "scripts", ROOT / "training")
DOCUMENTS = ("docs", "helm", "protos", "services", "scripts", "tests", "training")
MOST_LINES = 400
# The only module that may start a thread by itself.
THREADS = PACKAGE / "telemetry" / "threads.py"
# Words of former vocabularies (the glossary of docs/architecture.md has the present ones), and idioms.
FORMER_WORDS = re.compile(
    r"\b(keepers?|rosters?|desks?|outlets?|allowed places|watched.loops|announcer|house.rules|strangers?|whoever"
    r"|(told|tells?|heard|hears?) of|in vain|vouch(es)?|of its own accord)\b",
    re.IGNORECASE,
)


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


def raw_threads() -> Iterator[str]:
    """A thread of the package is a SupervisedThread, so that its death is noticed."""
    for path, text in sources(PACKAGE):
        for number, line in enumerate(text.splitlines(), 1):
            if "threading.Thread(" in line and path != THREADS:
                yield f"{shown(path)}:{number}: use telemetry.threads.SupervisedThread"


def former_words() -> Iterator[str]:
    """One word for one idea: none of an earlier vocabulary is left or comes back."""
    files = [path for folder in DOCUMENTS for path in (ROOT / folder).rglob("*")] + list(ROOT.glob("[A-Z]*"))
    for path in sorted(files):
        written = path.suffix in {".md", ".proto", ".py", ".tpl", ".yaml"} or path.name == "Makefile"
        if not written or path in {Path(__file__), ROOT / "CHANGELOG.md"} or WIRE in path.parents:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for found in FORMER_WORDS.finditer(line):
                yield f"{shown(path)}:{number}: '{found[0]}' is not a word of the glossary"


def shown(path: Path) -> str:
    """The path from the root of the repository."""
    return str(path.relative_to(ROOT))


def main() -> None:
    """Prints every breach; the exit code is 1 when there is one."""
    breaches = [
        *classes_that_stand_twice(),
        *tests_without_a_sentence(),
        *long_files(),
        *raw_threads(),
        *former_words(),
    ]
    for breach in breaches:
        print(breach)
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
