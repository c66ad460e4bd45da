"""Generates services/reelwright/wire from protos/. Run by `make protos`; a test checks that the result is current."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
# Another project's interface, in the proto package that the project gave it.
KEDA = PROTOS / "keda"


def generate(target: Path) -> None:
    """Writes the generated modules.

    Args:
        target: the package directory they are written into.
    """
    sources = sorted(str(path) for path in (PROTOS / "reelwright" / "v1").glob("*.proto"))
    sources += sorted(str(path) for path in KEDA.glob("*.proto"))
    outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main(["protoc", f"-I{KEDA}", f"-I{PROTOS}", *outputs, *sources]) != 0:
        raise SystemExit("protoc failed")
    nested = target / "reelwright" / "v1"
    for path in nested.iterdir():
        # protoc derives import paths from the proto package, but the modules are in reelwright.wire.
        text = re.sub(r"\bfrom reelwright\.v1 import", "from reelwright.wire import", path.read_text())
        (target / path.name).write_text(text)
        path.unlink()
    nested.rmdir()
    nested.parent.rmdir()
    for path in target.glob("*_pb2_grpc.py"):
        text = path.read_text()
        if "Stub" in text:
            path.write_text(
                re.sub(r"^import (\w+_pb2) as", r"from reelwright.wire import \1 as", text, flags=re.MULTILINE)
            )
        else:
            path.unlink()


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "services" / "reelwright" / "wire")
