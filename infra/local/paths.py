"""Where things are."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"
VENV_BIN = TOOLS / "venv" / "bin"
STATE = ROOT / ".local"
TEMPLATE = ROOT / "template.yaml"
SAMCONFIG = ROOT / "samconfig.toml"
TEMPLATES = [TEMPLATE, *(ROOT / "infra" / f"{name}.yaml" for name in ("data", "messaging", "observability"))]
EVENTS = ROOT / "events"
# Where cargo puts what it builds. The packages for the deployment are always below the checkout, because the
# template names them relative to itself.
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PACKAGES = ROOT / "target" / "lambda"
