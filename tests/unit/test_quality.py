"""What `make quality` measures and how it is written."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from reelwright.restoration.restore import Restorer
from tests.support.windows import codes, panned, texture
from training.metrics import psnr
from training.quality import ffmpeg
from training.quality.__main__ import arguments
from training.quality.dirt import Dirt
from training.quality.measures import BANDS, Figures, band_energies, detail_kept, flicker, grain_kept, tint
from training.quality.page import Results, best_peer, page
from training.quality.sheets import write_sheet
from training.quality.statistics import mean

ROOT = Path(__file__).resolve().parents[2]
STILL = np.tile(np.linspace(0.2, 0.8, 96, dtype=np.float32), (3, 64, 1))


class Enlarging:
    """An engine without a network."""

    identity, halo_frames = "enlarging", 0
    scales: tuple[int, ...] = (2,)

    def upscale(self, luma: np.ndarray, window: object, scale: int) -> np.ndarray:
        """A bicubic enlargement; nothing is removed."""
        assert window is None
        return np.asarray(cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.float32)


def figures(value: float) -> Figures:
    """Figures that all rise with one value."""
    return Figures(30 + value, 0.8 + value / 100, 60 + value, 31 + value, 4 - value, 0.5 + value / 10)


def test_an_interval_holds_the_mean_and_is_the_same_each_time() -> None:
    """The interval of alike clips is narrow, that of unlike ones wide, and a second call gives the same."""
    alike, unlike = mean([1.0, 1.1, 0.9, 1.0]), mean([-2.0, 4.0, 0.0, 2.0])
    assert alike.value == pytest.approx(unlike.value)
    assert unlike.low < alike.low < alike.value < alike.high < unlike.high
    assert mean([-2.0, 4.0, 0.0, 2.0]) == unlike
    assert f"{mean([1.0, 1.0]):+.1f}" == "+1.0 (+1.0 to +1.0)"


def test_motion_is_no_flicker() -> None:
    """A moving scene that is restored exactly flickers less than a level; frames that differ in brightness flicker."""
    truth = panned((3, 1), rows=128, columns=160)[:3] / np.float32(255)
    assert flicker(truth, truth) < 1
    unsteady = truth + np.array([0, 0.02, 0], np.float32)[:, None, None]
    assert flicker(unsteady, truth) == pytest.approx(0.02 * 255, rel=0.1)


def test_detail_counts_where_it_is_in_the_truth() -> None:
    """Weakened detail counts by its strength, added noise next to nothing, and a picture without detail as 0."""
    truth = texture(128, 160, 3) / np.float32(255)
    blurred = np.asarray(cv2.GaussianBlur(truth, (0, 0), 8), np.float32)
    noise = np.random.default_rng(2).normal(0, 0.03, truth.shape).astype(np.float32)
    assert detail_kept(truth, truth) == pytest.approx(1)
    weakened = np.asarray(blurred + (truth - blurred) * 0.6, np.float32)
    assert detail_kept(weakened, truth) == pytest.approx(0.6, abs=0.02)
    assert detail_kept(truth + noise, truth) == pytest.approx(1, abs=0.1)
    assert detail_kept(blurred, truth) < 0.02


def test_bands_split_the_energy_by_frequency() -> None:
    """A wave of a known frequency has its energy in the band of that frequency alone."""
    columns = np.arange(256, dtype=np.float32)
    for band, (low, high) in enumerate(BANDS):
        wave = np.tile(np.sin(2 * np.pi * round(256 * (low + high) / 2) / 256 * columns), (64, 1))
        energies = band_energies(wave.astype(np.float32))
        assert energies[band] > 0.999 * sum(energies)


def test_a_restoration_that_removes_nothing_keeps_all_grain_and_tints_nothing() -> None:
    """Its grain has the source's energy in the lowest band within a tenth, and grey film stays grey."""
    plain = np.full((5, 64, 96), 120, np.uint8)
    grainy = codes(
        np.asarray(
            plain + cv2.GaussianBlur(np.random.default_rng(0).normal(0, 20, plain.shape), (5, 5), 1.2), np.float32
        )
    )
    restorer = Restorer(Enlarging(), 2, 1.0)
    assert grain_kept(restorer, grainy, plain)[0] == pytest.approx(1, abs=0.1)
    assert tint(restorer, grainy) == 0


def test_the_best_peer_is_neither_the_base_nor_ours() -> None:
    """Of the other methods the one with the highest mean PSNR."""
    pieces = {
        name: {"bicubic": figures(3), "weak": figures(1), "strong": figures(2), "ours": figures(4)}
        for name in ("a", "b")
    }
    assert best_peer(pieces) == ["strong"]
    assert best_peer({piece: {"bicubic": found["bicubic"]} for piece, found in pieces.items()}) == []


def test_the_page_tells_every_method_and_piece() -> None:
    """Gains are against bicubic, the mean with its interval, then each piece; what was not measured is left out."""
    results = Results(figures={(2, "film"): {n: {"bicubic": figures(0), "ours": figures(2)} for n in ("one", "two")}})
    text = page(results, "How.")
    assert "## x2. Film" in text
    assert "| ours | +2.00 (+2.00 to +2.00) | +0.020 (+0.020 to +0.020) | +2.0 (+2.0 to +2.0) |" in text
    assert "| two | 30.00 | +2.00 |" in text
    assert "Dust" not in text
    results.dirt["ours"] = {"one": Dirt(0.9, 0.0001, float("nan"))}
    assert "| mean, ours | 90.0% (90.0% to 90.0%) | 0.010% (0.010% to 0.010%) |  |" in page(results, "")
    results.dirt["peer"] = {"one": Dirt(0.5, 0.02, 0.4)}
    results.dirt["no repair"] = {"one": Dirt(0.1, float("nan"), 0.2)}
    text = page(results, "")
    assert "| mean, peer | 50.0% (50.0% to 50.0%) | 2.000% (2.000% to 2.000%) | 40.0%" in text
    assert "| mean, no repair | 10.0% (10.0% to 10.0%) |  | 20.0%" in text
    results.dirt["ours"] = {"one": Dirt(0.9, 0.0001, float("nan")), "two": Dirt(0.7, 0.0003, 0.8)}
    assert "| mean, ours | 80.0% (70.0% to 90.0%) | 0.020% (0.010% to 0.030%) | 80.0% (80.0% to 80.0%) |" in page(
        results, ""
    )


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ([], "docs"),
        (["--processes", "1"], "docs"),
        (["services/reelwright/restoration/weights/reel-s.safetensors"], "docs"),
        (["services/reelwright/restoration/weights/reel-m.safetensors"], "training/runs/quality-reel-m"),
        (["training/runs/rs4.pt"], "training/runs/quality-rs4"),
        (["--no-peers"], "training/runs/quality-reel-s"),
        (["--treatments", "film"], "training/runs/quality-reel-s"),
        (["--pieces", "bikes"], "training/runs/quality-reel-s"),
        (["--frames", "1"], "training/runs/quality-reel-s"),
        (["training/runs/rs4.pt", "--no-peers", "--docs", "out"], "out"),
    ],
)
def test_only_the_whole_page_goes_to_the_docs(given: list[str], folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What measures another model, or a part, writes into a folder of its own, unless one is named."""
    monkeypatch.chdir(ROOT)
    assert ROOT / arguments(given).docs == ROOT / folder


def test_a_sheet_has_its_parts_side_by_side(tmp_path: Path) -> None:
    """Parts at 1:1 in order, with a gap between them."""
    parts = {str(level): np.full((300, 400), level / 255, np.float32) for level in (40, 120, 200)}
    write_sheet(tmp_path / "sheets" / "a.jpg", parts, (10, 20))
    found = cv2.imread(str(tmp_path / "sheets" / "a.jpg"), cv2.IMREAD_GRAYSCALE)
    assert found is not None
    assert found.shape == (200, 3 * 190 + 2 * 4)
    assert [round(float(found[:, 10 + 194 * i : 180 + 194 * i].mean())) for i in range(3)] == [40, 120, 200]


def test_ffmpeg_denoises_and_compares() -> None:
    """Its denoisers bring a noisy still nearer to the truth, and VMAF and XPSNR are best for the truth itself."""
    still = codes(np.tile(STILL[:1], (11, 4, 4)) * 255)
    noisy = codes(np.asarray(still + np.random.default_rng(0).normal(0, 8, still.shape), np.float32))
    before = psnr(float(np.square((noisy.astype(np.float32) - still) / 255).mean()))
    for name, graph in ffmpeg.denoisers(8).items():
        found = ffmpeg.filtered(noisy, graph)
        assert psnr(float(np.square((found[5].astype(np.float32) - still[5]) / 255).mean())) > before + 0.3, name
    same, worse = ffmpeg.likeness(still, still), ffmpeg.likeness(noisy, still)
    assert same.vmaf > worse.vmaf
    assert same.xpsnr > worse.xpsnr
