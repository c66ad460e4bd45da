"""Measures one dispatcher with many workers: `python -m tests.bench.bench_dispatch`.

Simulated workers in other processes use real gRPC and sleep instead of restoring; each handles 100 frames per second.
The tables are printed and written into docs/scaling.md, and the plots into docs/images. `--quick` runs the first and
last load of each sweep for a few seconds and writes nothing, to test the bench itself.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench import load_codecs
from tests.bench.load import Figures, Load, run
from tests.bench.load_kafka import load_in_kafka
from tests.bench.load_plots import draw_plot

FULL = 480 * 360
"""Bytes of a raw gray frame of 480x360. A batch of four has 691 kB, which is below the inline limit."""
SMALL = 500
"""Bytes of a frame that is so small that only the fixed cost of a batch counts."""
# Planned load of a process, so that it can handle bursts and the loss of another dispatcher.
_UTILIZATION = 0.6
_GPUS, _GPU_FPS = 1000, 100.0
_DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"
_BEGIN, _END = "<!-- bench_dispatch: begin -->", "<!-- bench_dispatch: end -->"

Column = tuple[str, Callable[[Figures], str]]
_WORKERS: Column = ("workers", lambda f: f"{f.load.workers}")
_COLUMNS: tuple[Column, ...] = (
    ("frames/s", lambda f: f"{f.fps:,.0f}"),
    ("share of the workers' total speed", lambda f: f"{f.efficiency:.3f}"),
    ("CPU ms per batch", lambda f: f"{f.cpu_ms_per_batch:.3f}"),
    ("CPU ms per frame", lambda f: f"{f.cpu_ms_per_batch / f.load.frames:.3f}"),
    ("cores", lambda f: f"{f.cores:.2f}"),
    ("MB/s", lambda f: f"{f.megabytes_per_second:,.0f}"),
)
_MEMORY: Column = ("peak MiB", lambda f: f"{f.dispatcher.memory_mib:,.0f}")


class _Report:
    """Prints lines and keeps them for the documentation."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add_line(self, line: str = "") -> None:
        print(line, flush=True)
        self._lines.append(line)

    def add_table(self, title: str, columns: Iterable[Column], runs: Sequence[Figures]) -> None:
        """Adds a Markdown table with a row for each run."""
        names, cells = zip(*columns, strict=True)
        self.add_rows(title, names, "--:|" * len(names), [[cell(each) for cell in cells] for each in runs])

    def add_rows(self, title: str, names: Sequence[str], ruler: str, rows: Iterable[Sequence[str]]) -> None:
        self.add_line(f"\n### {title}\n")
        self.add_line("| " + " | ".join(names) + " |")
        self.add_line("|" + ruler)
        for each in rows:
            self.add_line("| " + " | ".join(each) + " |")

    def write(self) -> None:
        """Writes the lines between the two markers in docs/scaling.md."""
        head, _, rest = _DOCUMENT.read_text().partition(_BEGIN)
        _, _, tail = rest.partition(_END)
        _DOCUMENT.write_text("\n".join([head + _BEGIN, *self._lines, _END]) + tail)


class _Bench:
    def __init__(self, report: _Report, quick: bool) -> None:
        self._report, self._quick = report, quick

    def sweep(self, loads: Iterable[Load]) -> list[Figures]:
        """Runs loads one after another; only the first and the last with `--quick`."""
        each = list(loads)
        if self._quick:
            each = [replace(load, seconds=3, batches=min(load.batches, 2000)) for load in (each[0], each[-1])]
        return [run(load) for load in each]

    def _draw(self, *arguments: Any, **named: Any) -> None:
        if not self._quick:
            draw_plot(*arguments, **named)

    def workers(self) -> None:
        small = self.sweep(Load(n, SMALL) for n in (1, 2, 4, 8, 16, 32, 64, 96, 128, 192))
        self._report.add_table("Workers, frames of 500 bytes", (_WORKERS, *_COLUMNS), small)
        full = self.sweep(Load(n, FULL) for n in (1, 2, 4, 8, 16, 24, 32, 64))
        self._report.add_table("Workers, raw gray frames of 480x360", (_WORKERS, *_COLUMNS), full)
        self._draw(
            "dispatch-workers",
            "workers of 100 frames/s",
            lambda f: f.load.workers,
            {"500 B a frame": small, "172.8 kB a frame": full},
            {"frames/s": lambda f: f.fps, "share of the workers' total speed": lambda f: f.efficiency},
        )

    def frame_sizes(self) -> None:
        sizes = (500, 5_000, 20_000, 50_000, 100_000, FULL, 225_000)
        found = self.sweep(Load(8, size) for size in sizes)
        self._report.add_table(
            "Frame size, 8 workers", (("bytes of a frame", lambda f: f"{f.load.frame_bytes:,}"), *_COLUMNS), found
        )
        self._draw(
            "dispatch-frame-size",
            "kB of a coded frame",
            lambda f: f.load.frame_bytes / 1000,
            {"": found},
            {"CPU ms per batch": lambda f: f.cpu_ms_per_batch, "MB/s": lambda f: f.megabytes_per_second},
            logarithmic=False,
        )

    def titles(self) -> None:
        found = self.sweep(Load(16, SMALL, titles=n) for n in (1, 4, 16, 64, 256, 1024))
        self._report.add_table(
            "Titles at once, 16 workers", (("titles", lambda f: f"{f.load.titles}"), *_COLUMNS, _MEMORY), found
        )
        self._draw(
            "dispatch-titles",
            "titles at once",
            lambda f: f.load.titles,
            {"": found},
            {"CPU ms per batch": lambda f: f.cpu_ms_per_batch, "peak MiB": lambda f: f.dispatcher.memory_mib},
        )

    def film_lengths(self) -> None:
        found = self.sweep(Load(64, SMALL, titles=1, batches=minutes * 60 * 24 // 4) for minutes in (1, 10, 30, 120))
        length: Column = ("minutes of film", lambda f: f"{f.load.batches * f.load.frames // (24 * 60)}")
        self._report.add_table("Film length, 64 workers on one title", (length, *_COLUMNS, _MEMORY), found)
        self._draw(
            "dispatch-film-length",
            "minutes of film",
            lambda f: f.load.batches * f.load.frames / (24 * 60),
            {"": found},
            {"CPU ms per batch": lambda f: f.cpu_ms_per_batch, "peak MiB": lambda f: f.dispatcher.memory_mib},
        )

    def latency(self) -> None:
        loads = [Load(n, size) for size, most in ((SMALL, 64), (FULL, 16)) for n in (1, 4, 16, 64) if n <= most]
        found = self.sweep(replace(load, pace=0.8 * load.workers * load.fps / load.frames) for load in loads)
        columns: list[Column] = [
            _WORKERS,
            ("bytes of a frame", lambda f: f"{f.load.frame_bytes:,}"),
            ("median ms", lambda f: f"{1000 * f.dispatcher.latencies[0]:.1f}"),
            ("95 % ms", lambda f: f"{1000 * f.dispatcher.latencies[1]:.1f}"),
            ("99 % ms", lambda f: f"{1000 * f.dispatcher.latencies[2]:.1f}"),
        ]
        self._report.add_table(
            "Latency from publish to receipt at 0.8 of the workers' total speed; 40 ms of it are work",
            columns,
            found,
        )

    def kafka(self) -> None:
        found = []
        for load in (Load(16, SMALL, batches=8000), Load(8, FULL, batches=2000)):
            with load_in_kafka(replace(load, batches=500) if self._quick else load) as full:
                found.append(run(full))
        columns = (("bytes of a frame", lambda f: f"{f.load.frame_bytes:,}"), _WORKERS, *_COLUMNS, _MEMORY)
        self._report.add_table("Fed by a real Kafka broker on the same machine", columns, found)
        for how, figures in (("by claim check", found[0]), ("inline", found[-1])):
            self._report_dispatcher_count(how, figures)

    def codecs(self) -> None:
        names = ("film", "frames", *(f"{name} kB" for name in load_codecs.CODECS), "smallest", "auto takes")
        ruler = "---|---|" + "--:|" * (len(load_codecs.CODECS) + 1) + "---|"
        rows = []
        for each in load_codecs.measure():
            sizes = [each.bytes_per_frame[name] for name in load_codecs.CODECS]
            kilobytes = [f"{size / 1000:,.1f}" for size in sizes]
            rows.append([each.film, each.kind, *kilobytes, f"{sizes[0] / min(sizes):.2f}x", each.chosen])
        self._report.add_rows("Bytes of a frame on the bus, by transport codec", names, ruler, rows)

    def _report_dispatcher_count(self, how: str, kafka: Figures) -> None:
        """Reports how many dispatchers 1,000 GPUs need, from the CPU per batch of one that reads from Kafka."""
        load = kafka.load
        each = 1000 / kafka.cpu_ms_per_batch
        speed, rate = each * load.frames, each * load.frames * load.frame_bytes / 1e6
        needed = _GPUS * _GPU_FPS / load.frames
        count = -(-needed // (each * _UTILIZATION))
        self._report.add_line()
        self._report.add_line(
            f"With payloads {how}, a core moves {each:,.0f} batches/s of {load.frames * load.frame_bytes:,} bytes: "
            f"{speed:,.0f} frames/s, {rate:,.0f} MB/s. {_GPUS:,} GPUs of {_GPU_FPS:.0f} frames/s want {needed:,.0f} "
            f"batches/s: {needed / each:.1f} cores, or {count:.0f} dispatchers of one core that are "
            f"{_UTILIZATION:.0%} busy."
        )


def main() -> None:
    """Measures everything; takes about twenty minutes."""
    quick = "--quick" in sys.argv
    report = _Report()
    bench = _Bench(report, quick)
    report.add_line(f"Machine: {_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}.")
    for part in (
        bench.workers,
        bench.frame_sizes,
        bench.titles,
        bench.film_lengths,
        bench.latency,
        bench.kafka,
        bench.codecs,
    ):
        part()
    if not quick:
        report.write()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
