"""The local AWS: ministack on the loopback interface, with its data below `.local`."""

import http.client
import os
import shutil
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from .console import Failure, step
from .processes import Child, Children
from .tools import environment, venv

REGION = "us-east-1"
START_SECONDS = 60
# Our own users of these variables would otherwise reach a real account.
FOREIGN = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")


class LocalAws:
    """A running local AWS."""

    def __init__(self, port: int, state: Path) -> None:
        self.port = port
        self.state = state
        self.temporary = state / "aws" / "tmp"
        self.endpoint = f"http://127.0.0.1:{port}"
        self.mails = f"{self.endpoint}/_ministack/ses/messages"

    def environment(self) -> dict[str, str]:
        """For programs that are to talk to it."""
        env = {name: value for name, value in environment().items() if name not in FOREIGN}
        return env | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            # Where the local AWS unpacks the functions and the SAM CLI leaves its archives behind.
            "TMPDIR": str(self.temporary),
        }

    def client(self, service: str) -> Any:
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=REGION,
            aws_access_key_id="test", aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}, read_timeout=60),
        )  # fmt: skip

    def start(self, children: Children) -> Child:
        """Starts it with empty state and waits until it answers."""
        shutil.rmtree(self.state / "aws", ignore_errors=True)
        self.temporary.mkdir(parents=True)
        with step(f"starting the local AWS on {self.endpoint}"):
            child = children.start("the local AWS", [venv("python"), "-m", "ministack"], self.state / "aws.log", self._own())
            deadline = time.monotonic() + START_SECONDS
            while not self._answers():
                child.check()
                if time.monotonic() > deadline:
                    raise Failure(f"the local AWS did not answer within {START_SECONDS} s; see {child.log}")
                time.sleep(0.1)
        return child

    def _own(self) -> dict[str, str]:
        return self.environment() | {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": "127.0.0.1",
            "STATE_DIR": str(self.state / "aws" / "state"),
            "S3_DATA_DIR": str(self.state / "aws" / "s3"),
            # More concurrent invocations are refused with 429, as on AWS at another number. The local AWS is one Python
            # process: with more at once, all of them run out of time together and none gets anywhere.
            "LAMBDA_ACCOUNT_CONCURRENCY": "40",
            # Each invocation holds a thread, and needs another for every call it makes to the database.
            "MINISTACK_WORKER_THREADS": "400",
            # Enforces the IAM policies of the template, so a missing permission fails here and not on AWS.
            "AUTH": "true",
            # It would listen on a fixed port otherwise.
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": os.environ.get("SUTLER_AWS_LOG_LEVEL", "WARNING"),
        }

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/_ministack/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()
