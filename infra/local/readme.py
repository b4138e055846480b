"""The first purchase of the README, run line by line as a newcomer would. Part of `make test`."""

import re
import shutil

from .console import Failure, step
from .deploy import Stack
from .paths import ROOT
from .processes import run

HEADING = "## The first purchase"
# What the last calls print when everything went well.
EXPECTED = ("succeeded", "completed", "order.paid")


def first_purchase(stack: Stack) -> None:
    """Runs the README's commands in bash, in a directory that looks like a checkout, and reads what they print."""
    section = (ROOT / "README.md").read_text().split(HEADING, 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    directory = stack.aws.state / "readme"
    shutil.rmtree(directory, ignore_errors=True)
    (directory / ".local").mkdir(parents=True)
    (directory / ".local" / "env").write_text(stack.shell_variables())
    script, log = directory / "purchase.sh", directory / "purchase.log"
    # -e and pipefail, because a person would stop too when a command fails.
    script.write_text("\n".join([f"cd '{directory}'", "set -exo pipefail", *blocks]))
    with step("the first purchase of the README, line by line"):
        # Through a pipe, for a `tee /dev/stderr` of the README would begin a log file anew.
        piped = f"set -o pipefail; timeout 120 bash '{script}' 2>&1 | cat"
        code = run(["bash", "-c", piped], stack.aws.environment(), log)
        printed = log.read_text(errors="replace")
        absent = [text for text in EXPECTED if text not in printed]
        if code != 0 or absent:
            tail = "\n".join(printed.splitlines()[-15:])
            raise Failure(f"it ended with {code}; not printed: {absent}. The end of {log}:\n{tail}")
