"""Child processes that never outlive us, and ports for them."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from .console import Failure, say
from .paths import ROOT

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 5


def stop_on_signals() -> None:
    """Makes SIGTERM and SIGHUP end the command the way Ctrl-C does, and Ctrl-C also where a shell has it ignored."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def die_with_parent() -> None:
    """On Linux, a child gets SIGTERM even when we are killed without a chance to clean up."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """A long-running child in a process group of its own; its output goes to a log file."""

    def __init__(self, name: str, command: list[str], log: Path, env: dict[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True, preexec_fn=die_with_parent,
            )  # fmt: skip

    def check(self) -> None:
        """Fails with the end of its log when the child has exited."""
        code = self.process.poll()
        if code is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise Failure(f"{self.name} exited with {code}. The end of {self.log}:\n{tail}")

    def stop(self) -> None:
        """Ends the whole group: politely, then not."""
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        # Also reaches grandchildren (the functions' processes) that outlived their parent.
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass


class Children:
    """Stops what was started, newest first, however the block is left."""

    def __init__(self) -> None:
        self._stops: list[tuple[str, Callable[[], None]]] = []
        self._children: list[Child] = []

    def __enter__(self) -> "Children":
        return self

    def start(self, name: str, command: list[str], log: Path, env: dict[str, str] | None = None) -> Child:
        child = Child(name, command, log, env)
        self._stops.append((name, child.stop))
        self._children.append(child)
        return child

    def wait(self) -> None:
        """Returns on Ctrl-C; fails when a child exits by itself."""
        try:
            while True:
                for child in self._children:
                    child.check()
                time.sleep(1)
        except KeyboardInterrupt:
            say("")

    def on_exit(self, name: str, stop: Callable[[], None]) -> None:
        self._stops.append((name, stop))

    def __exit__(self, *_: object) -> None:
        # A second Ctrl-C must not leave anything behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        while self._stops:
            name, stop = self._stops.pop()
            if name:
                say(f"    stopping {name}")
            stop()
        stop_on_signals()


def run(command: list[str], env: dict[str, str] | None = None, log: Path | None = None) -> int:
    """Runs a command to its end and answers its exit code; Ctrl-C reaches the whole group."""
    output = log.open("wb") if log else None
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=output,
        stderr=subprocess.STDOUT if output else None, start_new_session=True, preexec_fn=die_with_parent,
    )  # fmt: skip
    try:
        return process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        raise
    finally:
        if output:
            output.close()


def must(command: list[str], env: dict[str, str] | None = None) -> None:
    """Runs a command that has to succeed."""
    code = run(command, env)
    if code != 0:
        raise Failure(f"`{' '.join(command)}` failed ({code})")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port(preferred: int | None, purpose: str) -> int:
    """The preferred port, or a free one (said aloud) when another program has it."""
    if preferred is not None:
        if is_free(preferred):
            return preferred
        say(f"    port {preferred} ({purpose}) is taken by another program; using a free one")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
