"""Builds the functions and lays them out as the template expects."""

import os
import shutil

from .console import Failure, step
from .paths import TARGET
from .processes import run
from .template import Function, functions
from .tools import environment

# Why not `cargo lambda build`, which `make deploy` uses: it builds with `--target`, into a directory of its own, so
# the AWS SDK would be compiled a second time. A plain build shares everything with the tests.
BUILD = ["cargo", "build", "--workspace", "--bins"]


def functions_dev() -> list[Function]:
    """Builds every binary with the dev profile and packages the functions."""
    with step("building the functions (the first time takes some minutes)"):
        if run(BUILD, environment()) != 0:
            raise Failure("the build failed")
        return package("debug")


def functions_release() -> list[Function]:
    """The same with the release profile, for measurements."""
    with step("building the functions with optimisations (takes long)"):
        if run([*BUILD, "--release"], environment()) != 0:
            raise Failure("the build failed")
        return package("release")


def package(profile: str) -> list[Function]:
    """Puts each built binary where the template's CodeUri points to."""
    every = functions()
    missing = [function.name for function in every if not (TARGET / profile / function.name).is_file()]
    if missing:
        raise Failure(f"template.yaml names functions that have no binary: {', '.join(missing)}")
    for function in every:
        _place(TARGET / profile / function.name, function.bootstrap)
    return every


def _place(built: os.PathLike[str], bootstrap: os.PathLike[str]) -> None:
    """Links rather than copies: tens of binaries of tens of megabytes each."""
    if os.path.exists(bootstrap):
        if os.path.samefile(built, bootstrap):
            return
        os.unlink(bootstrap)
    os.makedirs(os.path.dirname(bootstrap), exist_ok=True)
    try:
        os.link(built, bootstrap)
    except OSError:
        shutil.copy2(built, bootstrap)
