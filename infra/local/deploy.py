"""Deploys the real template to the local AWS, and does the little that the local AWS leaves out."""

import base64
import json
import os
import platform
import re
import tomllib
from dataclasses import dataclass
from typing import Any

import boto3

from .aws import REGION, LocalAws
from .console import Failure, step
from .paths import ROOT, SAMCONFIG, TEMPLATE
from .processes import must, run
from .tools import environment, venv

STACK = "sutler"
BUCKET = "sutler-artifacts"
MAIL_DOMAIN = "sutler.example"
STRIPE_SECRET_KEY = "sk_test_local_stand_in"
STRIPE_WEBHOOK_SECRET = "whsec_local_stand_in"
CHAPA_SECRET_KEY = "CHASECK_TEST-local-stand-in"
CHAPA_WEBHOOK_SECRET = "hash_local_stand_in"
PAYPAL_CREDENTIALS = "client_test_local:stand_in"
PAYPAL_WEBHOOK_ID = "WH-LOCAL"
PAYPAL_ROOT = ROOT / "infra" / "providers" / "src" / "paypal" / "certificates" / "root.pem"
TURNSTILE_SECRET_KEY = "0x_local_stand_in"
GOOGLE_MAPS_KEY = "AIza_local_stand_in"
SHIPPO_API_KEY = "shippo_test_local_stand_in"
SHIPPO_WEBHOOK_SECRET = "shippo_local_stand_in"


@dataclass(frozen=True)
class Stack:
    """A deployed stack and how to reach it."""

    aws: LocalAws
    providers_url: str
    api_url: str
    outputs: dict[str, str]

    def shell_variables(self) -> str:
        """Where everything is, for a shell to source."""
        return f"API='{self.api_url}'\nAWS={self.aws.endpoint}\nSTRIPE={self.providers_url}/stripe\n"

    def environment(self) -> dict[str, str]:
        """For programs that test, load or measure the stack."""
        return self.aws.environment() | {
            "SUTLER_API_URL": self.api_url,
            "SUTLER_PROVIDERS_URL": self.providers_url,
            "SUTLER_MAIL_URL": self.aws.mails,
            "SUTLER_STACK": STACK,
            "TABLE_IDENTITY": self.outputs["TableIdentity"],
            "TABLE_CATALOG": self.outputs["TableCatalog"],
            "TABLE_COMMERCE": self.outputs["TableCommerce"],
            "TABLE_LEDGER": self.outputs["TableLedger"],
        }


def deploy(aws: LocalAws, providers_url: str, **changed: str) -> Stack:
    """Runs `sam deploy`, which creates the stack or updates it. `changed` overrides template parameters."""
    buckets = [bucket["Name"] for bucket in aws.client("s3").list_buckets()["Buckets"]]
    if BUCKET not in buckets:
        aws.client("s3").create_bucket(Bucket=BUCKET)
        aws.client("sesv2").create_email_identity(EmailIdentity=MAIL_DOMAIN)
    log = aws.state / "deploy.log"
    with step("sam deploy onto the local AWS"):
        parameters = {
            "Stage": "dev",
            "Architecture": "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64",
            "LogLevel": "info",
            "DeletionProtection": "false",
            "CorsOrigins": "*",
            "FrontendUrl": "http://localhost:3000",
            "MailFrom": f"no-reply@{MAIL_DOMAIN}",
            "MailIdentity": MAIL_DOMAIN,
            "StripeApiBase": f"{providers_url}/stripe",
            "StripeSecretKey": STRIPE_SECRET_KEY,
            "StripeWebhookSecret": STRIPE_WEBHOOK_SECRET,
            "ChapaApiBase": f"{providers_url}/chapa",
            "ChapaSecretKey": CHAPA_SECRET_KEY,
            "ChapaWebhookSecret": CHAPA_WEBHOOK_SECRET,
            "PayPalApiBase": f"{providers_url}/paypal",
            "PayPalCredentials": PAYPAL_CREDENTIALS,
            "PayPalWebhookId": PAYPAL_WEBHOOK_ID,
            "PayPalTestRoot": "".join(PAYPAL_ROOT.read_text().split("-----")[2].split()),
            # The API has no address before it is deployed. The stand-ins send on to it what comes here.
            "ApiUrl": f"{providers_url}/api",
            "TurnstileApiBase": providers_url,
            "TurnstileSecretKey": TURNSTILE_SECRET_KEY,
            "GuestCheckout": "on",
            "AddressCheck": "google",
            "GoogleAddressApiBase": f"{providers_url}/google",
            "GoogleMapsKey": GOOGLE_MAPS_KEY,
            "AmazonLocationApiBase": f"{providers_url}/geo-places",
            "ShippoApiBase": f"{providers_url}/shippo",
            "ShippoApiKey": SHIPPO_API_KEY,
            "ShippoWebhookSecret": SHIPPO_WEBHOOK_SECRET,
        } | changed
        command = [
            venv("sam"), "deploy", "--template-file", str(TEMPLATE), "--stack-name", STACK, "--region", REGION,
            "--s3-bucket", BUCKET, "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND",
            "--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar",
            "--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items()),
        ]  # fmt: skip
        # The default waits five seconds between two looks at the stack.
        if run(command, aws.environment() | {"SAM_CLI_POLL_DELAY": "0.5"}, log) != 0:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
            raise Failure(f"sam deploy failed. The end of {log}:\n{tail}")
        outputs = _outputs(aws)
        _create_routes(aws, outputs["ApiId"])
        _allow_mail(aws)
    api_url = f"{aws.endpoint}/_aws/execute-api/{outputs['ApiId']}/$default"
    return Stack(aws, providers_url, api_url, outputs)


def deploy_to_aws(stage: str, secrets: dict[str, str]) -> None:
    """Builds the arm64 release and deploys it to the AWS account of the caller's credentials."""
    must(["cargo", "lambda", "build", "--release", "--arm64", "--output-format", "zip"], environment())
    overrides = tomllib.loads(SAMCONFIG.read_text())[stage]["deploy"]["parameters"]
    must(
        [
            venv("sam"), "deploy", "--config-env", stage,
            # Given on the command line they replace those of the file, so both are given.
            "--parameter-overrides", *overrides["parameter_overrides"],
            *(f"{name}={value}" for name, value in secrets.items()),
        ],
        environment(),
    )  # fmt: skip
    with step("creating the signing keys, if there are none"):
        region = tomllib.loads(SAMCONFIG.read_text())["default"]["global"]["parameters"]["region"]
        answer = boto3.client("lambda", region_name=os.environ.get("AWS_REGION", region)).invoke(
            FunctionName=f"{overrides['stack_name']}-rotate_signing_keys", Payload=b'{"source": "deploy"}'
        )
        if "FunctionError" in answer:
            raise Failure(f"rotate_signing_keys failed: {answer['Payload'].read().decode()}")


def delete(aws: LocalAws) -> None:
    """Deletes the stack and checks that nothing of it is left."""
    with step("deleting the stack"):
        cloudformation = aws.client("cloudformation")
        cloudformation.delete_stack(StackName=STACK)
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        left = {
            "tables": aws.client("dynamodb").list_tables()["TableNames"],
            "functions": [item["FunctionName"] for item in aws.client("lambda").list_functions()["Functions"]],
            "queues": aws.client("sqs").list_queues().get("QueueUrls", []),
        }
        if any(left.values()):
            raise Failure(f"left behind by the deleted stack: {json.dumps(left)}")


def invoke(aws: LocalAws, name: str, event: dict[str, Any]) -> None:
    """Invokes a function directly; its failure is ours."""
    payload = json.dumps(event).encode()
    answer = aws.client("lambda").invoke(FunctionName=f"{STACK}-{name}", Payload=payload, LogType="Tail")
    if "FunctionError" in answer:
        log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
        raise Failure(f"{name} failed: {answer['Payload'].read().decode()}\n{log}")


def rotate_signing_keys(aws: LocalAws) -> None:
    with step("creating the signing keys"):
        invoke(aws, "rotate_signing_keys", {"source": "deploy"})


def _outputs(aws: LocalAws) -> dict[str, str]:
    stack = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def _allow_mail(aws: LocalAws) -> None:
    """Ministack wants the right to send as anyone, whoever the sender is; AWS wants it for the sender's identity."""
    function = aws.client("lambda").get_function_configuration(FunctionName=f"{STACK}-send_mail")
    statement = {"Effect": "Allow", "Action": "ses:SendEmail", "Resource": "*"}
    aws.client("iam").put_role_policy(
        RoleName=function["Role"].rsplit("/", 1)[-1], PolicyName="local-mail",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )  # fmt: skip


def _create_routes(aws: LocalAws, api_id: str) -> None:
    """Ministack ignores the OpenAPI body that SAM makes of the routes, so they are created from it here."""
    cloudformation = aws.client("cloudformation")
    template = cloudformation.get_template(StackName=STACK, TemplateStage="Processed")["TemplateBody"]
    if isinstance(template, str):
        template = json.loads(template)
    body = template["Resources"]["Api"]["Properties"]["Body"]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
    names = {
        item["LogicalResourceId"]: item["PhysicalResourceId"]
        for page in pages
        for item in page["StackResourceSummaries"]
    }
    api = aws.client("apigatewayv2")
    existing = {route["RouteKey"] for route in api.get_routes(ApiId=api_id)["Items"]}
    for path, operations in body["paths"].items():
        for method, operation in operations.items():
            key = f"{method.upper()} {path}"
            if key in existing:
                continue
            uri = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
            function = re.search(r"functions/\$\{(\w+)\.", uri)
            if function is None:
                raise Failure(f"cannot tell which function serves {key}: {uri}")
            arn = f"arn:aws:lambda:{REGION}:000000000000:function:{names[function[1]]}"
            integration = api.create_integration(
                ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
            )
            api.create_route(ApiId=api_id, RouteKey=key, Target=f"integrations/{integration['IntegrationId']}")
    cors = {name[0].upper() + name[1:]: value for name, value in body["x-amazon-apigateway-cors"]["Fn::If"][1].items()}
    api.update_api(ApiId=api_id, CorsConfiguration=cors | {"AllowOrigins": ["*"]})
