"""Makes pictures larger and sharper: networks, the engines that run them, tiling, chroma and grain."""
