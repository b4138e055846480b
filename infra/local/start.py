"""Entry point of every `make` target: makes sure the pinned tools are there, then hands over to them.

Runs on the system's Python with nothing but its standard library.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".tools" / "venv"
REQUIREMENTS = ROOT / "infra" / "local" / "requirements.txt"
STAMP = VENV / "requirements.sha256"
PYTHON_MIN = (3, 11)


def wanted_stamp() -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}\n".encode()
    return hashlib.sha256(version + REQUIREMENTS.read_bytes()).hexdigest()


def install_venv() -> None:
    """Creates `.tools/venv` from the hash-pinned requirements, once per change of them."""
    stamp = wanted_stamp()
    if STAMP.is_file() and STAMP.read_text() == stamp:
        return
    started = time.monotonic()
    print("==> installing the Python tools into .tools/venv (once, about a minute)", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", str(REQUIREMENTS)], check=True)
    STAMP.write_text(stamp)
    print(f"    done in {time.monotonic() - started:.0f} s", flush=True)


def main() -> None:
    if sys.version_info < PYTHON_MIN:
        sys.exit(f"Python {PYTHON_MIN[0]}.{PYTHON_MIN[1]} or newer is needed, this is {sys.version.split()[0]}.")
    for tool in ("cargo", "rustc"):
        if shutil.which(tool) is None:
            sys.exit(f"`{tool}` is not on the PATH. Install Rust first: https://rustup.rs")
    try:
        install_venv()
    except (subprocess.CalledProcessError, KeyboardInterrupt):
        sys.exit("The Python tools could not be installed; run the command again.")
    environment = dict(os.environ, PYTHONPATH=str(ROOT / "infra"), PYTHONUNBUFFERED="1")
    python = str(VENV / "bin" / "python")
    os.chdir(ROOT)
    os.execve(python, [python, "-m", "local.main", *sys.argv[1:]], environment)


if __name__ == "__main__":
    main()
