"""Pinned command-line tools: from the virtual environment, the PATH, or built into `.tools`."""

import os
import re
import shutil
import subprocess

from .console import Failure, step
from .paths import TARGET, TOOLS, VENV_BIN
from .processes import run

# Name, pinned version, roughly how long building it takes. One of exactly this version on the PATH is used as it is.
CARGO_TOOLS = {
    "cargo-nextest": ("0.9.143", "5 minutes"),
    "cargo-deny": ("0.20.2", "5 minutes"),
    "cargo-machete": ("0.9.2", "1 minute"),
}


def environment() -> dict[str, str]:
    """Ours, with the pinned tools first on the PATH."""
    path = os.pathsep.join([str(TOOLS / "bin"), str(VENV_BIN), os.environ.get("PATH", "")])
    return dict(os.environ, PATH=path, SAM_CLI_TELEMETRY="0", CARGO_TERM_PROGRESS_WHEN="never")


def venv(name: str) -> str:
    return str(VENV_BIN / name)


def version_of(binary: str) -> str | None:
    """The version a cargo tool reports, or None when it does not run."""
    name = os.path.basename(binary)
    for arguments in (["--version"], [name.removeprefix("cargo-"), "--version"]):
        try:
            answer = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return None
        found = re.search(r"\d+\.\d+\.\d+", answer.stdout)
        if answer.returncode == 0 and found:
            return found[0]
    return None


def cargo_tool(name: str) -> str:
    """The path of a cargo tool in its pinned version, which is built when it is missing."""
    version, duration = CARGO_TOOLS[name]
    ours = str(TOOLS / "bin" / name)
    for candidate in (ours, shutil.which(name)):
        if candidate and version_of(candidate) == version:
            return candidate
    with step(f"building {name} {version} into .tools (once, about {duration})"):
        # Without optimisations: they take seconds to run and minutes to optimise.
        command = ["cargo", "install", "--quiet", "--debug", "--locked", "--version", version, "--root", str(TOOLS), name]
        variables = {"CARGO_TARGET_DIR": str(TARGET / "tools"), "CARGO_PROFILE_DEV_DEBUG": "0"}
        if run(command, os.environ | variables) != 0:
            raise Failure(f"{name} {version} could not be built")
    return ours
