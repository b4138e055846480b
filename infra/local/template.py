"""What the SAM template says, for the parts of the runner that need to know it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .console import Failure
from .paths import PACKAGES, TEMPLATE


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as their plain values: `!Ref X` is `X`."""


def _plain(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _plain)


@dataclass(frozen=True)
class Trigger:
    """What invokes a function: an HTTP route, a queue, a stream or a schedule."""

    kind: str
    properties: dict[str, Any]


@dataclass(frozen=True)
class Function:
    """One function of the template."""

    name: str
    logical_id: str
    triggers: list[Trigger]

    @property
    def package(self) -> Path:
        """The archive that is deployed; `cargo lambda build --output-format zip` puts it there too."""
        return PACKAGES / self.name / "bootstrap.zip"


def functions() -> list[Function]:
    """Every function, in the order of the template."""
    found = []
    for logical_id, resource in yaml.load(TEMPLATE.read_text(), _Loader)["Resources"].items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        properties = resource["Properties"]
        name = properties["CodeUri"].split("/")[-2]
        pascal = "".join(word.capitalize() for word in name.split("_"))
        if pascal != logical_id or not properties["FunctionName"].endswith(f"-{name}"):
            raise Failure(f"template.yaml: {logical_id}, its CodeUri and its FunctionName must all say the same name")
        triggers = [Trigger(event["Type"], event["Properties"]) for event in properties.get("Events", {}).values()]
        found.append(Function(name, logical_id, triggers))
    return found
