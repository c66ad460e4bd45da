"""The generated wire code is what protos/ says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_generated_code_is_current(tmp_path: Path) -> None:
    """`make protos` would change no file of reelwright.wire."""
    subprocess.run([sys.executable, ROOT / "scripts" / "protos.py", tmp_path], check=True, timeout=120)
    wire = ROOT / "services" / "reelwright" / "wire"
    fresh = {path.name: path.read_text() for path in tmp_path.iterdir()}
    held = {path.name: path.read_text() for path in wire.iterdir() if path.is_file() and path.name != "__init__.py"}
    assert held == fresh, "run `make protos` and commit the result"
