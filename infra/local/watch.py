"""`make watch`: the data in the local AWS, the functions under `cargo lambda watch` with hot reload."""

from collections.abc import Callable
from pathlib import Path

from . import bridge, build, deploy, generate
from .aws import LocalAws
from .console import Failure, say, step
from .deploy import STACK, Stack
from .processes import Children, free_port, run
from .tools import environment, venv

AWS_PORT = 4520
PROVIDERS_PORT = 4521
FUNCTIONS_PORT = 4522
# Each is a `cargo run` of its own, so few.
CONCURRENCY = 2


def serve(children: Children, state: Path, start_providers: Callable[[Children, Stack, int], None]) -> None:
    """Runs until Ctrl-C."""
    generate.check()
    with step("building (only what changed)"):
        if run(build.BUILD, environment()) != 0:
            raise Failure("the build failed")
    build.placeholders()
    aws = LocalAws(free_port(AWS_PORT, "local AWS"), state)
    providers_port = free_port(PROVIDERS_PORT, "provider stand-ins")
    functions_port = free_port(FUNCTIONS_PORT, "functions")
    aws.start(children)
    deployed = deploy.deploy(aws, f"http://127.0.0.1:{providers_port}")
    sources = bridge.take_over(aws)
    stack = Stack(aws, deployed.providers_url, f"http://127.0.0.1:{functions_port}", deployed.outputs)
    start_providers(children, stack, providers_port)

    env_file = state / "functions.env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in _variables(aws).items()))
    command = [
        venv("cargo-lambda"), "lambda", "watch", "--invoke-address", "127.0.0.1", "--invoke-port", str(functions_port),
        "--concurrency", str(CONCURRENCY), "--env-file", str(env_file),
    ]  # fmt: skip
    watcher = children.start("cargo lambda watch", command, state / "watch.log", aws.environment())
    invoker = bridge.Invoker(functions_port)
    with step("waiting for cargo lambda watch"):
        invoker.wait_until_up(watcher)
    with step("creating the signing keys (builds the function first)"):
        invoker.invoke("rotate_signing_keys", {"source": "deploy"})
    feeds = bridge.Bridge(aws, sources, invoker)
    children.on_exit("", feeds.stop)
    feeds.start()
    say(f"""
API      {stack.api_url}      (each function is built when it is first called, and again when its code changes)
Mails    {aws.mails}
Stripe   {stack.providers_url}/stripe
Logs     .local/watch/watch.log

Invoke one   cargo lambda invoke -A 127.0.0.1 -P {functions_port} place_order --data-file events/place_order.json

Ctrl-C stops everything.""")
    children.wait()


def _variables(aws: LocalAws) -> dict[str, str]:
    """The environment of all deployed functions. One name means one thing everywhere, so they can be joined."""
    joined: dict[str, str] = {}
    pages = aws.client("lambda").get_paginator("list_functions").paginate()
    for item in (item for page in pages for item in page["Functions"] if item["FunctionName"].startswith(f"{STACK}-")):
        for name, value in item["Environment"]["Variables"].items():
            if joined.setdefault(name, value) != value:
                raise Failure(f"{name} means different things to different functions, which `make watch` cannot give")
    return joined
