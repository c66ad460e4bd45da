"""`make images`: builds the container images with docker or buildah, whichever this machine has.

`IMAGES_BUILD` names another command that takes the arguments of `docker build`. `PUSH` names a registry, such as
`registry.example.com/films`: the images are named for it, too, and pushed.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from reelwright import __version__

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ("media", "inference-cpu", "inference-cuda")
_WEIGHTS = ROOT / "services" / "reelwright" / "restoration" / "weights"


def builder() -> list[str]:
    """The command that builds an image; empty when this machine has none."""
    given = shlex.split(os.environ.get("IMAGES_BUILD", ""))
    if given:
        return given
    if shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        return ["docker", "build"]
    return ["buildah", "build", "--format", "docker", "--layers"] if shutil.which("buildah") else []


def weights() -> str:
    """The packaged networks with their hashes, as the build argument WEIGHTS and the label of an image have them."""
    files = sorted(_WEIGHTS.glob("*.safetensors"))
    return " ".join(f"{path.stem}={hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files)


def arguments(image: str, tag: str) -> list[str]:
    """The arguments of `docker build` for one image of this checkout."""
    values = {"IMAGE": image, "WEIGHTS": weights()}
    if base := os.environ.get("IMAGES_BASE"):
        values["BASE"] = base
    labels = {
        "org.opencontainers.image.title": f"reelwright/{image}",
        "org.opencontainers.image.description": "Reelwright: film restoration as streaming microservices",
        "org.opencontainers.image.version": __version__,
        "org.opencontainers.image.revision": _git("rev-parse", "HEAD"),
        "org.opencontainers.image.created": datetime.fromtimestamp(
            int(_git("log", "-1", "--format=%ct") or 0), UTC
        ).isoformat(),
        "org.opencontainers.image.licenses": "Apache-2.0",
        "io.reelwright.weights": weights(),
    }
    options = [word for name, value in values.items() for word in ("--build-arg", f"{name}={value}")]
    options += [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
    return ["-t", f"reelwright/{image}:{tag}", "-f", str(ROOT / "docker" / "Dockerfile"), *options, str(ROOT)]


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def main(images: list[str]) -> None:
    """Builds the named images, or all, with the tag IMAGES_TAG or the version, and pushes them to PUSH if it is set."""
    command, tag = builder(), os.environ.get("IMAGES_TAG", __version__)
    registry = os.environ.get("PUSH", "").rstrip("/")
    if not command:
        sys.exit("make images: neither docker nor buildah is here; install one, or name a command in IMAGES_BUILD")
    if unknown := set(images) - set(IMAGES):
        sys.exit(f"make images: no image {', '.join(sorted(unknown))}; known: {', '.join(IMAGES)}")
    if registry and command[0] not in {"docker", "buildah"}:
        sys.exit("make images: PUSH needs docker or buildah; push the images with the tools of IMAGES_BUILD")
    for image in images or IMAGES:
        local = f"reelwright/{image}:{tag}"
        subprocess.run([*command, *arguments(image, tag)], check=True)
        if registry:
            subprocess.run([command[0], "tag", local, f"{registry}/{local}"], check=True)
            subprocess.run([command[0], "push", f"{registry}/{local}"], check=True)
        print(f"{registry}/{local}" if registry else local, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
