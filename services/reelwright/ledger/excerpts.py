"""What a film that is an excerpt of its source has, in words."""

from __future__ import annotations

from reelwright.titles.recipe import Excerpt


def excerpt_notes(excerpt: Excerpt) -> list[str]:
    """What an excerpt is, as a sentence for the manifest; none for a whole film."""
    if excerpt.whole:
        return []
    note = (
        f"an excerpt: the first {excerpt.length} s of each {excerpt.period} s of the source, without sound, subtitles, "
        "captions, chapters, timecode and attached files"
    )
    return [note]


def excerpt_steps(excerpt: Excerpt, parts: int) -> list[tuple[str, str]]:
    """The same for the report, as (heading, sentence) pairs; `parts` is how many parts of the source the film has."""
    if excerpt.whole:
        return []
    sentence = (
        f"The first {excerpt.length} s of each {excerpt.period} s of the source: {parts} parts, one behind the other. "
        "They have no sound."
    )
    return [("Excerpt", sentence)]
