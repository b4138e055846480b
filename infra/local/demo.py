"""Demo data: shops, categories, products, and a login for each role.

`cargo xtask demo` does the work through the HTTP API (see its help); what it prints is shown to the user.
"""

from .console import Failure, step
from .deploy import Stack
from .paths import TARGET
from .processes import run


def load(stack: Stack) -> str:
    """Fills a fresh stack and answers what the user should know, logins above all."""
    log = stack.aws.state / "demo.log"
    with step("loading demo data"):
        code = run([str(TARGET / "debug" / "xtask"), "demo"], stack.environment(), log)
        text = log.read_text(errors="replace").strip()
        if code != 0:
            raise Failure(f"the demo data could not be loaded:\n{text}")
        return text
