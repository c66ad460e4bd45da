"""Restores one shot of a finished film again, and puts it into the film.

The film's other segments are taken out of it as they are. The segments that show a part of the shot are restored anew,
their other frames by the recipe that made them, and must come out as the manifest says.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import reelwright
from reelwright.decoder.title_description import describe_title
from reelwright.encoder.title_assembly import film_facts
from reelwright.ledger.acceptance import check_film, check_shot
from reelwright.ledger.edits import EditAccount, is_deinterlaced
from reelwright.ledger.film_facts import FilmFacts
from reelwright.ledger.judgement import Redoing
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.manifest_file import read_manifest
from reelwright.ledger.records import PlanEnd, TitleRecord
from reelwright.ledger.redone_film import film_lock, finish_replacement, is_half_replaced, redo_folder, replace_film
from reelwright.ledger.redone_shot import with_shot
from reelwright.ledger.report.page import write_report
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.source_places import source_places
from reelwright.local.job import make_job
from reelwright.local.redone_pictures import put_pictures
from reelwright.local.redone_segments import RedoneSegments
from reelwright.local.shot_recipes import shot_recipes
from reelwright.media.assemble import assemble_film
from reelwright.media.film_format import film_format
from reelwright.media.film_segments import taken_out
from reelwright.media.fingerprint import source_fingerprint
from reelwright.media.held_files import held
from reelwright.media.picture_clock import SegmentInput
from reelwright.media.profiles import profile_spec
from reelwright.media.toolchain import toolchain_identity
from reelwright.store.locks import run_lock
from reelwright.store.scratch import known_scratch_folder
from reelwright.telemetry.progress import ProgressMeter
from reelwright.titles.errors import InputError


def redo_shot(
    film: Path,
    shot: int,
    settings: Sequence[str],
    *,
    engine: str = "auto",
    threads: int | None = None,
    on_progress: Callable[[ProgressMeter], None] = lambda _: None,
) -> Manifest:
    """Restores a shot again and replaces film, manifest and report.

    Args:
        film: the film; its manifest lies beside it, and its source where the manifest says.
        shot: number of the shot, from 1.
        settings: of the shot, texts of the form `KEY=VALUE`.
        engine: auto, openvino or torch.
        threads: CPU threads of the network; all cores if None.
        on_progress: called after each batch.

    Returns:
        The film's new manifest.

    Raises:
        InputError: the film is not that of its manifest, has no such shot or was made by another version or engine, or
            its source is gone or another one.
        RecipeError: a setting is none of a single shot.
        OutputError: the film cannot be replaced.
        UnavailableError: a disk is full.
    """
    # Before the lock, which would make the folder of a name that was mistyped.
    if not os.path.isfile(film):  # noqa: PTH113 - unlike Path.is_file, it accepts names that are too long
        raise InputError("no such file", str(film), "give a film on a disk of this machine")
    lock = film.with_name(f".{film.name}.redo.lock")
    with run_lock(lock):
        try:
            finish_replacement(str(film))
            return _redone(film, shot, settings, engine=engine, threads=threads, on_progress=on_progress)
        finally:
            lock.unlink(missing_ok=True)


def _redone(
    film: Path,
    shot: int,
    settings: Sequence[str],
    *,
    engine: str,
    threads: int | None,
    on_progress: Callable[[ProgressMeter], None],
) -> Manifest:
    manifest = read_manifest(str(film))
    check_shot(manifest, str(film), shot)
    recipes = shot_recipes(manifest, shot - 1, settings)
    _check_film(film, manifest)
    job = make_job(_source(film, manifest), str(film), recipe=manifest.recipe, engine=engine, threads=threads)
    _check_maker(film, manifest, fingerprint=job.request.fingerprint, engine=job.request.engine)
    manifest = manifest.model_copy(
        update={"source": manifest.source.model_copy(update={"location": job.request.source})}
    )
    title = describe_title(job.request, manifest.source)
    with (
        held(job.request.source, job.request.fingerprint),
        known_scratch_folder(redo_folder(film), lambda: is_half_replaced(film)) as folder,
    ):
        made = RedoneSegments(title, manifest, shot - 1, recipes, job=job, folder=folder)
        made.restore(on_progress)
        draft = folder / film.name
        facts = _assembled(film, draft, title, made)
        recipe = recipes[shot - 1]
        account = EditAccount(recipe, is_deinterlaced(recipe, manifest.source.video))
        result = with_shot(manifest, made.shot(), account, facts)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        redone = Redoing(shot=shot, settings=tuple(settings), at=at)
        ledger = RunLedger(str(folder / "ledger"), manifest.run)
        put_pictures(ledger, result, draft, made)
        with film_lock(str(film)):
            # What people said of its shots during the hours that this may have taken.
            present = read_manifest(str(film))
            if present.film_sha256 != manifest.film_sha256:
                raise InputError("another film was put in its place meanwhile", str(film), "run the command again")
            result = result.model_copy(update={"redone": (*manifest.redone, redone), "judgements": present.judgements})
            write_report(result, ledger, str(draft), folder)
            replace_film(film, result)
    return result


def _check_film(film: Path, manifest: Manifest) -> None:
    check_film(manifest, str(film))
    if any(stream.kind == "captions" and stream.packets for stream in manifest.streams):
        raise InputError("its pictures hold captions, which would be doubled", str(film), "restore the film again")


def _source(film: Path, manifest: Manifest) -> str:
    """Where the film's source lies: the first of its places with that source, or the first of all."""
    places = source_places(manifest, str(film))
    if len(places) == 1:
        return places[0]
    for place in places:
        with suppress(InputError):
            if source_fingerprint(place) == manifest.source_fingerprint:
                return place
    return places[0]


def _check_maker(film: Path, manifest: Manifest, *, fingerprint: str, engine: str) -> None:
    remedy = "restore the film again"
    if fingerprint != manifest.source_fingerprint:
        where = manifest.source.location
        raise InputError("not the source that the film was made from", where, "put that source back")
    if manifest.version != reelwright.__version__:
        made = f"made by version {manifest.version}, this is {reelwright.__version__}"
        raise InputError(made, str(film), remedy)
    present = toolchain_identity(manifest.recipe.profile)
    if manifest.toolchains != (present,):
        raise InputError(_difference(manifest.toolchains, present), str(film), remedy)
    if manifest.engine != engine:
        raise InputError(f"made with engine {manifest.engine}, this is {engine}", str(film), remedy)


def _difference(toolchains: tuple[str, ...], present: str) -> str:
    """In which parts the toolchains of a film are not the present one: plan rules, a library, an encoder."""
    made = dict.fromkeys(part for each in toolchains if each != present for part in each.split())
    others = " ".join(part for part in made if part not in present.split())
    return f"made with {others or 'unknown libraries'}, this is {' '.join(p for p in present.split() if p not in made)}"


def _assembled(film: Path, draft: Path, title: TitleRecord, made: RedoneSegments) -> FilmFacts:
    """Writes the film with the new segments."""
    started = time.perf_counter()
    spec, video = profile_spec(title.request.recipe.profile), title.source.video
    parts = taken_out(film, made.segments, draft.parent, rate=video.average_rate, reorder=spec.reorder)

    def inputs() -> Iterator[SegmentInput]:
        for number, path in parts:
            yield SegmentInput(made.files.get(number, path), made.records[number])
            path.unlink()

    form = film_format(video, title.out_width, title.out_height, title.out_pix_fmt)
    excerpt = title.request.recipe.excerpt
    assembled = assemble_film(
        draft, inputs(), source=title.source, spec=spec, film=form, pictures_only=not excerpt.whole
    )
    end = PlanEnd(segments=len(made.segments), frames=sum(map(len, made.segments)))
    return replace(film_facts(draft, title, end, assembled, seconds=time.perf_counter() - started), name=film.name)
