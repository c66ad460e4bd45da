"""Generates the Grafana dashboards of the chart (`make dashboards`). A test checks that the files are current."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.dashboards.generator import generate

_CHART = Path(__file__).resolve().parent.parent.parent / "helm" / "reelwright"

generate(Path(sys.argv[1]) if len(sys.argv) > 1 else _CHART / "files" / "dashboards")
