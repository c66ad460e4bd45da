"""Writes docker/requirements/: what each image installs, with the versions and hashes of constraints.txt (needs uv)."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docker" / "requirements"
EXTRAS = {
    "media": ("media", "cluster", "controller", "tracing", "credentials"),
    "inference-cpu": ("openvino", "cluster", "tracing"),
    "inference-cuda": ("torch", "cluster", "tracing"),
}
# What builds the wheel.
_BUILD = "hatchling\n"


def main() -> None:
    """Compiles the file of each image, and that of the build."""
    for image, extras in EXTRAS.items():
        _compile(image, ["pyproject.toml", *(word for extra in extras for word in ("--extra", extra))])
    _compile("build", ["-"], _BUILD)


def _compile(name: str, arguments: list[str], text: str | None = None) -> None:
    options = [
        "--universal",
        "--python-version",
        "3.11",
        "--no-strip-extras",
        "--generate-hashes",
        "--no-annotate",
        "--no-header",
    ]
    target = ["-c", "constraints.txt", "--no-emit-index-url", "-o", str(FOLDER / f"{name}.txt")]
    # Compiled again from nothing: an old file's versions would be kept.
    (FOLDER / f"{name}.txt").unlink(missing_ok=True)
    command = ["uv", "pip", "compile", "--quiet", *options, *target, *arguments]
    subprocess.run(command, cwd=ROOT, input=text, text=True, check=True)


if __name__ == "__main__":
    main()
