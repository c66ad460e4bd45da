"""A person submits, cancels and changes the output of a title at every moment; the film must come out all the same."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

from tests.faults.clip import make_clip
from tests.faults.kinds.kind import BrokenGuaranteeError, FaultKind, Injection
from tests.faults.schedule import ScheduledTitle
from tests.faults.title_client import SubmittedTitle
from tests.faults.trial_cluster import TrialCluster

# Numbers of titles that the campaign's own schedule does not reach, so that their pictures and names differ.
_FIRST_NUMBER, _LAST_NUMBER = 1_000, 9_000
_LONGEST_PAUSE_SECONDS = 4.0
# Without any commit for so long: how long a title takes depends on the machine and on the titles beside it.
_TITLE_SECONDS = 420.0
# Of `submit`, about a run that is in work.
_REFUSAL = "is under way for"


def _resubmit(rng: Random, title: SubmittedTitle) -> str:
    """Submits the same title again, a few times."""
    problem = ""
    for _ in range(rng.randint(2, 4)):
        time.sleep(rng.uniform(0, _LONGEST_PAUSE_SECONDS))
        problem = problem or title.command_until_answered(*title.submission())
    return problem


def _cancel_and_resubmit(rng: Random, title: SubmittedTitle) -> str:
    """Cancels the title and submits it again without a pause, twice."""
    problem = ""
    for _ in range(2):
        time.sleep(rng.uniform(0, _LONGEST_PAUSE_SECONDS))
        title.command_until_answered("cancel", title.run)
        problem = problem or title.command_until_answered(*title.submission())
    return problem


def _change_output(rng: Random, title: SubmittedTitle) -> str:
    """Cancels the title, or lets it end, and submits it for another output."""
    time.sleep(rng.uniform(0, _LONGEST_PAUSE_SECONDS))
    if rng.random() < 0.5:
        title.command_until_answered("cancel", title.run)
    elif problem := title.wait_until_ended(_TITLE_SECONDS):
        return problem
    title.move_output()
    return title.command_until_answered(*title.submission())


def _ask_for_second_output(rng: Random, title: SubmittedTitle) -> str:
    """Submits the title for other outputs while it is in work: each is refused, until the title has ended."""
    for _ in range(rng.randint(2, 4)):
        time.sleep(rng.uniform(0, _LONGEST_PAUSE_SECONDS))
        title.move_output()
        problem = title.command_until_answered(*title.submission(), refusal=_REFUSAL)
        if _REFUSAL not in problem:
            return problem
        title.move_output_back()
    return ""


def _disturbed(act: Callable[[Random, SubmittedTitle], str]) -> Injection:
    @contextmanager
    def inject(trial: TrialCluster, rng: Random) -> Iterator[None]:
        number = rng.randint(_FIRST_NUMBER, _LAST_NUMBER)
        scheduled = ScheduledTitle(
            number=number,
            width=160,
            height=120,
            frames=12 * rng.randint(6, 12),
            rate=24,
            colour=rng.random() < 0.5,
            variable=False,
            sound=True,
            suffix=".mp4",
            grain_keep=0.25,
            profile="web",
            priority=rng.choice(["express", "standard", "bulk"]),
            deadline_seconds=None,
        )
        folder = trial.folder / "titles" / f"disturbed-{number}"
        folder.mkdir(parents=True)
        title = SubmittedTitle(scheduled, make_clip(scheduled, folder), trial)
        try:
            yield
            problem = title.submit() or act(rng, title) or title.wait_until_ended(_TITLE_SECONDS) or title.fetch_film()
            check = title.check(problem)
            if check.problems:
                raise BrokenGuaranteeError(f"{title.name}: {'; '.join(check.problems)}")
        finally:
            shutil.rmtree(folder)

    return inject


_INSTANT = (0.0, 0.0)
KINDS = (
    FaultKind("title submitted again and again", 4, _INSTANT, _disturbed(_resubmit)),
    FaultKind("title cancelled and submitted without a gap", 5, _INSTANT, _disturbed(_cancel_and_resubmit)),
    FaultKind("title with a changed output", 5, _INSTANT, _disturbed(_change_output)),
    FaultKind("title asked for a second output", 4, _INSTANT, _disturbed(_ask_for_second_output)),
)
