"""The report's certificate: curves over the film, and the worst shots first."""

from __future__ import annotations

from reelwright.ledger.report.certificate import curves, edit_rows, worst_shots
from reelwright.ledger.shot_fidelity import film_fidelity
from tests.support.ledgers import fidelity_of, manifest_of_shots


def test_the_worst_shots_come_first() -> None:
    """By the worst of their frames; shots alike have their order in the film."""
    manifest = manifest_of_shots((4, 2, 3, 3), lambda index: fidelity_of(unsupported=[1, 5, 2, 5][(index // 3) % 4]))
    assert [(each.number, each.shot.fidelity and each.shot.fidelity.worst) for each in worst_shots(manifest)] == [
        (1, 5.0),
        (2, 5.0),
        (4, 5.0),
        (3, 2.0),
    ]
    assert len(worst_shots(manifest, most=2)) == 2
    assert worst_shots(manifest)[0].at == "00:00:00.120"


def test_a_curve_shows_the_largest_of_many_frames() -> None:
    """A single bad frame of a long film is seen, and cuts stand where shots begin."""
    manifest = manifest_of_shots((2000, 2000), lambda index: fidelity_of(difference=9 if index == 1234 else 1))
    (difference, *_) = curves(manifest)
    heights = [float(point.partition(",")[2]) for point in difference.lines[0].split()]
    assert (difference.top, min(heights), sorted(set(heights))[1]) == (9, 0.0, 53.3)
    assert len(heights) == difference.width
    assert difference.cuts == f"M{difference.width // 2} 0V{difference.height}"


def test_a_film_without_figures_has_no_curves() -> None:
    """As one that an earlier version restored; a figure that is 0 throughout has none either."""
    assert list(curves(manifest_of_shots((3,), lambda _: None))) == []
    assert worst_shots(manifest_of_shots((3,), lambda _: None)) == []
    assert list(curves(manifest_of_shots((3,), lambda _: fidelity_of()))) == []


def test_the_film_has_the_mean_of_its_shots() -> None:
    """Weighted by their frames; the worst frame is the worst of all shots."""
    manifest = manifest_of_shots((3, 1), lambda index: fidelity_of(unsupported=4 if index == 3 else 1, tint=index))
    found = film_fidelity((shot.fidelity, shot.frames) for shot in manifest.shots)
    assert found is not None
    assert (found.unsupported, found.tint, found.worst_frame, found.worst) == (1.75, 3, 3, 4)
    assert film_fidelity([(None, 3)]) is None


def test_the_edit_list_in_rows() -> None:
    """Frames, rows of frames, and the mean strength by frames."""
    manifest = manifest_of_shots((3, 1), lambda index: fidelity_of(repaired=0.1 if index < 2 else 0.4 * (index > 2)))
    rows = {step: (frames, rows, round(strength, 5)) for step, frames, rows, strength, _ in edit_rows(manifest)}
    assert rows["repair"] == (3, 2, 0.2)
