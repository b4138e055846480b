"""The commands behind `make`."""

import argparse
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import bench, build, checks, demo, deploy, generate, prove, purchase, readme, watch
from .aws import LocalAws
from .console import Failure, say, step
from .deploy import CHAPA_WEBHOOK_SECRET, PAYPAL_WEBHOOK_ID, SHIPPO_WEBHOOK_SECRET, STRIPE_WEBHOOK_SECRET, Stack
from .paths import STATE, TARGET
from .processes import Children, free_port, must, stop_on_signals
from .tools import environment

AWS_PORT = 4510
PROVIDERS_PORT = 4511
# The crowd of `make test`; that of `make prove` is larger.
CROWD_BUYERS = 30
CROWD_UNITS = 5


@contextmanager
def state_of(name: str) -> Iterator[Path]:
    """The state directory of one command, which only one process may use at a time."""
    state = STATE / name
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Failure(f"`make {name}` is already running in this checkout") from None
        yield state


def start_providers(children: Children, stack: Stack, port: int, profile: str = "debug") -> None:
    """Starts the stand-ins of the providers, which send their webhooks to the stack."""
    stand_ins = {
        "PROVIDERS_ADDR": f"127.0.0.1:{port}",
        "STRIPE_WEBHOOK_URL": f"{stack.api_url}/v1/webhooks/stripe",
        "STRIPE_WEBHOOK_SECRET": STRIPE_WEBHOOK_SECRET,
        "CHAPA_WEBHOOK_URL": f"{stack.api_url}/v1/webhooks/chapa",
        "CHAPA_WEBHOOK_SECRET": CHAPA_WEBHOOK_SECRET,
        "PAYPAL_WEBHOOK_URL": f"{stack.api_url}/v1/webhooks/paypal",
        "PAYPAL_WEBHOOK_ID": PAYPAL_WEBHOOK_ID,
        "SHIPPO_WEBHOOK_URL": f"{stack.api_url}/v1/webhooks/shippo",
        "SHIPPO_WEBHOOK_SECRET": SHIPPO_WEBHOOK_SECRET,
        "API_URL": stack.api_url,
    }
    log = stack.aws.state / "providers.log"
    child = children.start("the provider stand-ins", [str(TARGET / profile / "providers")], log, environment() | stand_ins)
    with step(f"starting the provider stand-ins on {stack.providers_url}"):
        while "listening" not in log.read_text():
            child.check()
            time.sleep(0.05)


def start_stack(
    children: Children, state: Path, aws_port: int | None, providers_port: int | None, **changed: str
) -> Stack:
    """A deployed stack with its providers and keys, ready for requests. `changed` overrides template parameters."""
    aws = LocalAws(free_port(aws_port, "local AWS"), state)
    providers_port = free_port(providers_port, "provider stand-ins")
    aws.start(children)
    stack = deploy.deploy(aws, f"http://127.0.0.1:{providers_port}", **changed)
    start_providers(children, stack, providers_port)
    deploy.rotate_signing_keys(aws)
    return stack


def command_run(_: argparse.Namespace) -> None:
    """Builds, deploys to a local AWS, loads demo data, and serves until Ctrl-C."""
    with state_of("run") as state, Children() as children:
        build.functions_dev()
        stack = start_stack(children, state, AWS_PORT, PROVIDERS_PORT)
        logins = demo.load(stack)
        (STATE / "env").write_text(stack.shell_variables())
        children.on_exit("", (STATE / "env").unlink)
        say(f"""
API      {stack.api_url}      (the addresses are also in .local/env)
Docs     {stack.api_url}/docs
Mails    {stack.aws.mails}
Stripe   {stack.providers_url}/stripe      (stand-in, as are Chapa, PayPal and Shippo beside it; test controls below /_test/)
Logs     .local/run/aws.log, and CloudWatch Logs at {stack.aws.endpoint}

{logins}

Ctrl-C stops everything.""")
        children.wait()


def command_test(arguments: argparse.Namespace) -> None:
    """Runs every check there is, from formatting to a purchase through the deployed stack."""
    with state_of("test") as state:
        checks.run_all(arguments.stage, lambda: deployed_test(state))


def deployed_test(state: Path) -> None:
    """Deploys, buys over HTTP, alone and in a small crowd, updates the changed stack, deletes it."""
    with Children() as children:
        stack = start_stack(children, state, None, None, OrderExpirySeconds=str(purchase.EXPIRY_SECONDS))
        purchase.run(stack)
        say("==> loading demo data a second time, which must change nothing")
        demo.load(stack)
        demo.load(stack)
        readme.first_purchase(stack)
        # It leaves faults behind for which nobody called.
        prove.run(stack, CROWD_BUYERS, CROWD_UNITS)
        say("==> updating the stack with a changed template parameter")
        deploy.deploy(stack.aws, stack.providers_url, LogLevel="warn")
        deploy.delete(stack.aws)


def command_watch(_: argparse.Namespace) -> None:
    """The local AWS for the data, `cargo lambda watch` for the functions, with hot reload."""
    with state_of("watch") as state, Children() as children:
        watch.serve(children, state, start_providers)


def command_prove(arguments: argparse.Namespace) -> None:
    """Fires hundreds of concurrent buyers at the deployed stack and checks the invariants."""
    with state_of("prove") as state, Children() as children:
        build.functions_dev()
        stack = start_stack(children, state, None, None, OrderExpirySeconds=str(prove.EXPIRY_SECONDS))
        prove.run(stack, arguments.buyers, arguments.units)


def command_simulate(arguments: argparse.Namespace) -> None:
    """Plays random histories on the in-process database, or plants bugs that must be noticed."""
    # Optimised, for it plays thousands. The whole workspace, so that its dependencies are those of everything else.
    must(["cargo", "build", "--workspace", "--release", "--bin", "simulate"], environment())
    given = {name: getattr(arguments, name) for name in ("seed", "histories", "steps", "mutate")}
    words = [word for name, value in given.items() if value is not None for word in (f"--{name}", value) if word]
    must([str(TARGET / "release" / "simulate"), *words], environment())


def command_bench(_: argparse.Namespace) -> None:
    """Measures size, start, latency, CPU, memory and DynamoDB use of the release build."""
    with state_of("bench") as state, Children() as children:
        build.functions_release()
        build.placeholders()
        aws, port = LocalAws(free_port(None, "local AWS"), state), free_port(None, "provider stand-ins")
        aws.start(children)
        stack = deploy.deploy(aws, f"http://127.0.0.1:{port}")
        bench.run_bench(stack, lambda measured: start_providers(children, measured, port, "release"))


def command_fmt(_: argparse.Namespace) -> None:
    """Formats the code."""
    must(["cargo", "fmt", "--all"])


def command_generate(_: argparse.Namespace) -> None:
    """Writes what is generated from the template: the watch router and missing sample events."""
    generate.write()


def command_deploy(arguments: argparse.Namespace) -> None:
    """Builds for arm64 and deploys to AWS; `make deploy STAGE=prod`."""
    secrets = {"StripeSecretKey": "STRIPE_SECRET_KEY", "StripeWebhookSecret": "STRIPE_WEBHOOK_SECRET"}
    absent = [variable for variable in secrets.values() if variable not in os.environ]
    if absent:
        raise Failure(f"set {' and '.join(absent)} in the environment")
    optional = {
        "ChapaSecretKey": "CHAPA_SECRET_KEY", "ChapaWebhookSecret": "CHAPA_WEBHOOK_SECRET",
        "PayPalCredentials": "PAYPAL_CREDENTIALS", "PayPalWebhookId": "PAYPAL_WEBHOOK_ID", "ApiUrl": "API_URL",
        "TurnstileSecretKey": "TURNSTILE_SECRET_KEY", "AddressCheck": "ADDRESS_CHECK", "GoogleMapsKey": "GOOGLE_MAPS_KEY",
        "ShippoApiKey": "SHIPPO_API_KEY", "ShippoWebhookSecret": "SHIPPO_WEBHOOK_SECRET",
        "ShippoWebhookToken": "SHIPPO_WEBHOOK_TOKEN",
    }  # fmt: skip
    given = secrets | {name: variable for name, variable in optional.items() if variable in os.environ}
    deploy.deploy_to_aws(arguments.stage, {name: os.environ[variable] for name, variable in given.items()})


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make")
    commands = parser.add_subparsers(required=True)
    for name, handler in {
        "run": command_run, "test": command_test, "watch": command_watch, "prove": command_prove,
        "simulate": command_simulate, "bench": command_bench, "fmt": command_fmt, "generate": command_generate,
        "deploy": command_deploy,
    }.items():  # fmt: skip
        command = commands.add_parser(name, help=handler.__doc__)
        command.set_defaults(handler=handler)
        if name == "test":
            command.add_argument("stage", nargs="*", help=f"only these: {', '.join(checks.NAMES)}")
        if name == "deploy":
            command.add_argument("stage", choices=["dev", "staging", "prod"])
        if name == "prove":
            command.add_argument("--buyers", type=int, default=prove.BUYERS)
            command.add_argument("--units", type=int, default=prove.UNITS)
        if name == "simulate":
            for option in ("--seed", "--histories", "--steps"):
                command.add_argument(option)
            command.add_argument("--mutate", nargs="?", const="", metavar="NAME")
    return parser.parse_args()


def main() -> int:
    stop_on_signals()
    arguments = parse()
    try:
        arguments.handler(arguments)
    except Failure as failure:
        print(f"\nerror: {failure}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        say("\nstopped")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
