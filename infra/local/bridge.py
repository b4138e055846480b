"""Feeds queues, streams and schedules of the local AWS to the functions of `cargo lambda watch`."""

import http.client
import json
import threading
import time
from dataclasses import dataclass
from typing import Any

from .aws import LocalAws
from .console import Failure, warn
from .deploy import STACK
from .processes import Child

UP_SECONDS = 60
INVOKE_SECONDS = 900  # a first call builds the function
IDLE_SECONDS = 0.5


@dataclass(frozen=True)
class Source:
    """An event source mapping or a schedule that used to invoke a deployed function."""

    function: str
    kind: str
    arn: str
    filters: tuple[str, ...] = ()


def take_over(aws: LocalAws) -> list[Source]:
    """Disables what invokes the deployed functions and answers what it was."""
    functions, sources = aws.client("lambda"), []
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        name = mapping["FunctionArn"].rsplit(":", 1)[-1].removeprefix(f"{STACK}-")
        kind = "queue" if ":sqs:" in mapping["EventSourceArn"] else "stream"
        patterns = tuple(item["Pattern"] for item in mapping.get("FilterCriteria", {}).get("Filters", []))
        sources.append(Source(name, kind, mapping["EventSourceArn"], patterns))
    events = aws.client("events")
    for rule in events.list_rules()["Rules"]:
        if "ScheduleExpression" not in rule:
            continue
        for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
            name = target["Arn"].rsplit(":", 1)[-1].removeprefix(f"{STACK}-")
            sources.append(Source(name, "schedule", rule["ScheduleExpression"]))
        events.disable_rule(Name=rule["Name"])
    return sources


class Invoker:
    """Invokes functions through the control-plane API that `cargo lambda watch` emulates."""

    def __init__(self, port: int) -> None:
        self.port = port

    def wait_until_up(self, child: Child) -> None:
        deadline = time.monotonic() + UP_SECONDS
        while True:
            child.check()
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            try:
                connection.connect()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise Failure("cargo lambda watch does not listen; see .local/watch/watch.log") from None
                time.sleep(0.1)
            finally:
                connection.close()

    def invoke(self, function: str, event: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=INVOKE_SECONDS)
        try:
            path = f"/2015-03-31/functions/{function}/invocations"
            connection.request("POST", path, json.dumps(event), {"content-type": "application/json"})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200 or answer.getheader("x-amz-function-error"):
            raise Failure(f"{function} failed ({answer.status}): {body.decode(errors='replace')[:500]}")
        return json.loads(body) if body else None


class Bridge:
    """One thread per source. They are daemons: they end with the process."""

    def __init__(self, aws: LocalAws, sources: list[Source], invoker: Invoker) -> None:
        self.aws = aws
        self.sources = sources
        self.invoker = invoker
        self.stopping = False

    def stop(self) -> None:
        """From here on a failure is only the local AWS going away."""
        self.stopping = True

    def start(self) -> None:
        loops = {"queue": self._queue, "stream": self._stream, "schedule": self._schedule}
        for source in self.sources:
            threading.Thread(target=self._forever, args=(loops[source.kind], source), daemon=True).start()

    def _forever(self, loop: Any, source: Source) -> None:
        """A failure is shown and the loop starts again, as an event source mapping would."""
        while not self.stopping:
            try:
                loop(source)
            except Exception as error:
                if not self.stopping:
                    warn(f"{source.kind} of {source.function}: {error}")
                    time.sleep(2)

    def _queue(self, source: Source) -> None:
        queues = self.aws.client("sqs")
        url = queues.get_queue_url(QueueName=source.arn.rsplit(":", 1)[-1])["QueueUrl"]
        while True:
            received = queues.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=10, AttributeNames=["All"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])  # fmt: skip
            if not received:
                continue
            records = [_sqs_record(source, message) for message in received]
            answer = self.invoker.invoke(source.function, {"Records": records}) or {}
            failed = {item["itemIdentifier"] for item in answer.get("batchItemFailures", [])}
            for message in received:
                if message["MessageId"] not in failed:
                    queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _stream(self, source: Source) -> None:
        streams = self.aws.client("dynamodbstreams")
        shards = streams.describe_stream(StreamArn=source.arn)["StreamDescription"]["Shards"]
        iterator = streams.get_shard_iterator(
            StreamArn=source.arn, ShardId=shards[0]["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while True:
            answer = streams.get_records(ShardIterator=iterator, Limit=100)
            records = [_stream_record(source, record) for record in answer["Records"]]
            records = [record for record in records if _passes(record, source.filters)]
            while records and not self._delivered(source, records):
                time.sleep(2)
            iterator = answer["NextShardIterator"]
            if not answer["Records"]:
                time.sleep(IDLE_SECONDS)

    def _delivered(self, source: Source, records: list[Any]) -> bool:
        """A stream waits at a batch until it is processed."""
        try:
            answer = self.invoker.invoke(source.function, {"Records": records}) or {}
        except Failure as failure:
            warn(str(failure))
            return False
        return not answer.get("batchItemFailures")

    def _schedule(self, source: Source) -> None:
        """`rate(1 minute)` only; what runs daily is invoked by hand while watching."""
        while source.arn == "rate(1 minute)":
            time.sleep(60)
            self.invoker.invoke(source.function, {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})
        threading.Event().wait()


def _sqs_record(source: Source, message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": source.arn,
        "awsRegion": "us-east-1",
    }


def _stream_record(source: Source, record: dict[str, Any]) -> dict[str, Any]:
    """As Lambda sends it: times as numbers, binary values as base64 (there are none)."""
    data = dict(record["dynamodb"])
    if "ApproximateCreationDateTime" in data:
        data["ApproximateCreationDateTime"] = int(data["ApproximateCreationDateTime"].timestamp())
    return {**record, "dynamodb": data, "eventSourceARN": source.arn}


def _passes(record: Any, filters: tuple[str, ...]) -> bool:
    return not filters or any(_matches(record, json.loads(pattern)) for pattern in filters)


def _matches(value: Any, pattern: Any) -> bool:
    """The part of the event pattern language that the template uses: equality and prefix."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(_matches(value.get(key), inner) for key, inner in pattern.items())
    return any(
        isinstance(value, str) and value.startswith(option["prefix"]) if isinstance(option, dict) else value == option
        for option in pattern
    )
