"""The stages of `make test`, and the checks that concern the template."""

import time
from collections.abc import Callable

from . import build, generate
from .console import Failure, say
from .paths import TARGET, TEMPLATES
from .processes import must
from .tools import cargo_tool, environment, venv

Stage = Callable[[], None]


def _command(*command: str, **variables: str) -> Stage:
    return lambda: must(list(command), environment() | variables)


def _deny() -> None:
    # Advisories need the network and change without a commit, so only CI looks at them (see ci.yml).
    must([cargo_tool("cargo-deny"), "--log-level", "error", "check", "bans", "licenses", "sources"], environment())


def _machete() -> None:
    # With metadata, because some crates are used under another name than their own.
    must([cargo_tool("cargo-machete"), "--with-metadata", "functions", "shared", "infra"], environment())


def _template() -> None:
    must([venv("cfn-lint"), "--", *map(str, TEMPLATES)], environment())
    must([venv("sam"), "validate", "--lint", "--region", "us-east-1"], environment())
    generate.check()


def _tests() -> None:
    # The functions' binaries are ten lines each: linking a test program for every one would cost minutes.
    targets = ["--lib", "--bin", "xtask", "--test", "*"]
    must([cargo_tool("cargo-nextest"), "nextest", "run", "--workspace", *targets], environment())


def _build() -> None:
    build.functions_dev()


CHEAP: dict[str, Stage] = {
    "fmt": _command("cargo", "fmt", "--all", "--check"),
    "typos": _command(venv("typos")),
    "machete": _machete,
    "deny": _deny,
    "template": _template,
}
COMPILED: dict[str, Stage] = {
    "clippy": _command("cargo", "clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"),
    # Not the functions' binaries: ten lines each, and a run of rustdoc for every one.
    "doc": _command("cargo", "doc", "--workspace", "--lib", "--no-deps", "--quiet", RUSTDOCFLAGS="-D warnings"),
    "tests": _tests,
    "build": _build,
    "xtask": _command(str(TARGET / "debug" / "xtask"), "check"),
}
NAMES = [*CHEAP, *COMPILED, "deployed"]


def run_all(only: list[str], deployed: Stage) -> None:
    """Runs the stages, or those named, prints the time of each and fails when one failed.

    The cheap ones all run, so that one run tells everything; after that the first failure ends it.
    """
    unknown = set(only) - set(NAMES)
    if unknown:
        raise Failure(f"no such stage: {', '.join(sorted(unknown))}. There are: {', '.join(NAMES)}")
    results: list[tuple[str, float, str]] = []
    try:
        for name, stage in (CHEAP | COMPILED | {"deployed": deployed}).items():
            if only and name not in only:
                continue
            failed = any(error for _, _, error in results)
            if failed and name not in CHEAP:
                break
            results.append(_timed(name, stage))
    finally:
        say("\n" + "\n".join(_line(*result) for result in results))
    failures = [name for name, _, error in results if error]
    if failures:
        raise Failure(f"failed: {', '.join(failures)}")


def _timed(name: str, stage: Stage) -> tuple[str, float, str]:
    say(f"\n==> {name}")
    started = time.monotonic()
    error = ""
    try:
        stage()
    except Failure as failure:
        error = str(failure)
        say(f"    {error}")
    return name, time.monotonic() - started, error


def _line(name: str, seconds: float, error: str) -> str:
    return f"{'FAILED' if error else 'ok':<7} {name:<10} {seconds:7.1f} s"
