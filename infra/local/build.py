"""Builds the functions and packages them where the template expects them."""

import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .console import Failure, step
from .paths import TARGET
from .processes import run
from .template import Function, functions
from .tools import environment

# Why not `cargo lambda build`, which `make deploy` uses: it builds with `--target`, into a directory of its own, so
# the AWS SDK would be compiled a second time. A plain build shares everything with the tests.
BUILD = ["cargo", "build", "--workspace", "--bins"]
# Small archives are worth nothing on the same machine.
COMPRESSION = 1
PLACEHOLDER = b"#!/bin/sh\necho 'this function runs outside the local AWS' >&2\nexit 1\n"


def functions_dev() -> None:
    """Builds every binary with the dev profile and packages the functions."""
    with step("building the functions (the first time takes some minutes)"):
        if run(BUILD, environment()) != 0:
            raise Failure("the build failed")
        _package()


def functions_release() -> None:
    """Builds them with the release profile, for measurements."""
    with step("building the functions with optimisations (takes long)"):
        if run([*BUILD, "--release"], environment()) != 0:
            raise Failure("the build failed")


def _package() -> None:
    every = functions()
    missing = [function.name for function in every if not (TARGET / "debug" / function.name).is_file()]
    if missing:
        raise Failure(f"template.yaml names functions that have no binary: {', '.join(missing)}")
    # Compressing releases the interpreter lock, so threads are enough.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda function: _archive(function, TARGET / "debug" / function.name), every))


def _archive(function: Function, binary: Path) -> None:
    """Packages one binary, unless its package is of this very build already: then a deployment finds it unchanged."""
    state = binary.stat()
    mark = f"{binary} {state.st_size} {state.st_mtime_ns}".encode()
    if zipfile.is_zipfile(function.package):
        with zipfile.ZipFile(function.package) as packaged:
            if packaged.comment == mark:
                return
    _write(function, binary.read_bytes(), mark)


def placeholders() -> None:
    """Packages for a stack whose functions run outside the local AWS, so that they need not be built to deploy it."""
    for function in functions():
        _write(function, PLACEHOLDER, b"")


def _write(function: Function, program: bytes, comment: bytes) -> None:
    function.package.parent.mkdir(parents=True, exist_ok=True)
    entry = zipfile.ZipInfo("bootstrap")
    entry.external_attr = 0o755 << 16
    unfinished = function.package.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w") as archive:
        archive.comment = comment
        archive.writestr(entry, program, zipfile.ZIP_DEFLATED, COMPRESSION)
    unfinished.replace(function.package)
