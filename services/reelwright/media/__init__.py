"""Probe, decode, encode, mux: the only package that imports FFmpeg (through PyAV)."""
