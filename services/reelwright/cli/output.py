"""Prints to standard output and stderr. A closed pipe or a full disk there never stops the work of a command."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TextIO

import typer

from reelwright.titles.errors import UnavailableError, one_line


def print_result(text: str) -> None:
    """Prints what the command was called for, such as the facts of a film.

    When the reader has closed the pipe (`| head`), the rest is dropped without an error.

    Raises:
        UnavailableError: standard output cannot be written, for example to a full disk.
    """
    error = _print(text)
    if error is not None and error.errno != errno.EPIPE:
        raise UnavailableError(error.strerror or "cannot be written", "standard output", "redirect it to another file")


def print_notice(text: str) -> None:
    """Prints a line about work that is done. A line that cannot be printed is dropped; the exit code is kept."""
    _print(text)


def print_status(line: str) -> None:
    """Prints a line to stderr; dropped when stderr cannot be written."""
    try:
        typer.echo(line, err=True)
    except OSError:
        sys.stderr = _null()


def print_error(line: str) -> None:
    """Prints one line to stderr, after the command's name; dropped when stderr cannot be written."""
    print_status(f"reelwright: {one_line(line)}")


def prepare_streams() -> None:
    """Makes the standard streams safe to use: call it before any file is opened."""
    # A standard stream that the caller has closed leaves its number to the next file that is opened, a film perhaps,
    # and libraries that print would write into that.
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # The names of films may have characters that the encoding of the terminal has not.
            stream.reconfigure(errors="backslashreplace")


def _print(text: str) -> OSError | None:
    try:
        typer.echo(text)
    except OSError as error:
        # What is left in the buffer must not fail a second time when the interpreter exits.
        sys.stdout = _null()
        return error
    return None


def _null() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - stays open until the process ends
