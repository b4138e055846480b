"""A client of the API for tests and demo data: people who sign up, read their mail, sell, buy and pay."""

import http.client
import itertools
import json
import random
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from .console import Failure
from .deploy import STACK, Stack

Json = dict[str, Any]
Found = TypeVar("Found")

CALL_SECONDS = 60
# Not now, or nobody knows what became of it, as when a function ran out of time: the same key finds out.
LATER = (429, 502, 503, 504)
# How long a call is repeated: hundreds of people share a few cores here.
PATIENCE_SECONDS = 150
# As many calls are under way at once; the others queue, in no order. The local AWS is one Python process: with hundreds
# at once it would refuse most of them, and spend its time on that.
CALLS_AT_ONCE = 16
PAUSE_SECONDS = 0.1
PAUSE_SECONDS_MAX = 5.0
# Access tokens live ten minutes; a preparation of hundreds of people takes longer than that.
REFRESH_SECONDS = 8 * 60
# Every confirmation at the stand-in is a buyer's browser, which has the publishable key.
BROWSER_KEY = "pk_test_1"


class Problem(Exception):
    """A refused call, with the problem document it was answered with."""

    def __init__(self, call: str, status: int, document: Json) -> None:
        super().__init__(f"{call} was answered with {status}: {json.dumps(document)[:500]}")
        self.status = status
        self.document = document

    @property
    def code(self) -> str:
        """The last part of the problem's type, such as `not-found`."""
        return str(self.document.get("type", "")).rsplit(":", 1)[-1]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


class Server:
    """One address, with a kept-alive connection for each thread."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port, self.prefix = parts.hostname or "127.0.0.1", parts.port or 80, parts.path.rstrip("/")
        self._kept = threading.local()

    def send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        """One request. A kept connection that the server has closed meanwhile is replaced, once."""
        kept: http.client.HTTPConnection | None = getattr(self._kept, "connection", None)
        if kept is not None:
            try:
                return self._exchange(kept, method, path, body, headers)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                kept.close()
        self._kept.connection = http.client.HTTPConnection(self.host, self.port, timeout=CALL_SECONDS)
        return self._exchange(self._kept.connection, method, path, body, headers)

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer:
        try:
            connection.request(method, self.prefix + path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        except BaseException:
            connection.close()
            raise


@dataclass
class Api:
    """The deployed API. Calls are repeated as a good client does: the same key, after what the answer says."""

    server: Server
    # How many calls were made, and how many of them had to be repeated, by status.
    calls: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(CALLS_AT_ONCE))

    def send(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """A call until it has an answer that is not "later"; any status."""
        sent = {"accept": "application/json"} | (headers or {})
        if token:
            sent["authorization"] = f"Bearer {token}"
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        if raw is not None:
            sent.setdefault("content-type", "application/json")
        if method != "GET":
            sent["idempotency-key"] = key or uuid.uuid4().hex
        deadline = time.monotonic() + PATIENCE_SECONDS
        for attempt in itertools.count():
            with self.gate:
                answer = self.server.send(method, path, raw, sent)
            self._count("calls")
            if answer.status not in LATER or time.monotonic() > deadline:
                return answer
            self._count(f"repeated after {answer.status}")
            wished = float(answer.headers.get("retry-after", PAUSE_SECONDS * 2 ** min(attempt, 10)))
            time.sleep(min(PAUSE_SECONDS_MAX, wished) * random.uniform(0.5, 1.5))
        raise AssertionError("the loop returns")

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:  # fmt: skip
        """The JSON that a call that works is answered with; a refusal is a `Problem`."""
        answer = self.send(method, path, body, token=token, key=key, headers=headers)
        if 200 <= answer.status < 300:
            return answer.json()
        try:
            document = answer.json()
        except ValueError:
            document = {"title": answer.body.decode(errors="replace")}
        raise Problem(f"{method} {path}", answer.status, document if isinstance(document, dict) else {"body": document})

    def _count(self, what: str) -> None:
        with self.lock:
            self.calls[what] += 1


class Mailbox:
    """The mails the local AWS has sent. Threads that poll at the same time share one look."""

    LOOK_SECONDS = 0.25

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = Server(f"{parts.scheme}://{parts.netloc}")
        self._path = parts.path
        self._lock = threading.Lock()
        self._looked = 0.0
        self._mails: dict[str, list[Json]] = {}

    def to(self, email: str) -> list[Json]:
        """Mails to one address, oldest first."""
        with self._lock:
            if time.monotonic() - self._looked > self.LOOK_SECONDS:
                found = self._server.send("GET", self._path, None, {}).json()["messages"]
                mails: dict[str, list[Json]] = {}
                for mail in (mail for account in found.values() for mail in account):
                    for address in _addresses(mail["To"]):
                        mails.setdefault(address.lower(), []).append(mail)
                self._mails, self._looked = mails, time.monotonic()
            return self._mails.get(email.lower(), [])


def _addresses(to: Any) -> list[str]:
    texts = to if isinstance(to, list) else str(to).split(",")
    return [text.rsplit("<", 1)[-1].rstrip("> ").strip() for text in texts]


def wait_until(look: Callable[[], Found], what: str, seconds: float, pause: float = 0.2) -> Found:
    """Looks again and again until there is something; says what was waited for when there never is."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds:.0f} s in vain for: {what}")
        time.sleep(pause)


@dataclass
class World:
    """A stack with everything around it that a test looks at."""

    stack: Stack
    api: Api
    mailbox: Mailbox
    providers: Server

    @classmethod
    def of(cls, stack: Stack) -> "World":
        return cls(stack, Api(Server(stack.api_url)), Mailbox(stack.aws.mails), Server(stack.providers_url))

    def control(self, path: str, body: Any = None) -> Any:
        """A test control of the stand-ins; without a body it is a question."""
        method, raw = ("GET", None) if body is None else ("POST", json.dumps(body).encode())
        answer = self.providers.send(method, f"/_test{path}", raw, {"content-type": "application/json"})
        if answer.status != 200:
            raise Failure(f"the stand-in refused {path}: {answer.body.decode(errors='replace')}")
        return answer.json()

    def act(self, path: str, **how: str) -> Answer:
        """Something that a buyer does on a provider's pages, and that the provider may refuse."""
        raw = json.dumps(how).encode()
        return self.providers.send("POST", f"/_test{path}", raw, {"content-type": "application/json"})

    def stripe(self, path: str, fields: dict[str, str], key: str = BROWSER_KEY) -> Answer:
        """A call of Stripe's API at its stand-in."""
        headers = {"authorization": f"Bearer {key}", "content-type": "application/x-www-form-urlencoded"}
        return self.providers.send("POST", f"/stripe/v1{path}", urlencode(fields).encode(), headers)

    def confirm(self, payment: Json, card: str = "pm_card_visa") -> Answer:
        """What the buyer's browser does with the card form."""
        path = f"/payment_intents/{payment['provider_id']}/confirm"
        return self.stripe(path, {"client_secret": payment["client_secret"], "payment_method": card})

    def invoke(self, function: str, event: Json) -> None:
        """Runs a function that has no route."""
        answer = self.stack.aws.client("lambda").invoke(
            FunctionName=f"{STACK}-{function}", Payload=json.dumps(event).encode()
        )
        if "FunctionError" in answer:
            raise Failure(f"{function} failed: {answer['Payload'].read().decode()}")


class Person:
    """Someone with an account. Signing in is kept up as a frontend does it."""

    def __init__(self, world: World, email: str, username: str, password: str) -> None:
        self.world = world
        self.email, self.username, self.password = email, username, password
        self.id = ""
        self._tokens: Json = {}
        self._since = 0.0
        self._lock = threading.Lock()

    def sign_up(self, seconds: float = 90) -> "Person":
        """Registers, follows the link in the mail, signs in."""
        account = {
            "email": self.email, "username": self.username, "password": self.password,
            "turnstile_token": solved_challenge("register"),
        }  # fmt: skip
        self.world.api.call("POST", "/v1/auth/register", account)
        mail = wait_until(lambda: self.mails("Confirm your e-mail address"), "the verification mail", seconds)[-1]
        self.world.api.call("POST", "/v1/auth/verify-email", {"token": verification_token(mail)})
        return self.sign_in()

    def come_as_guest(self) -> "Person":
        """Buys without an account."""
        guest = {"email": self.email, "turnstile_token": solved_challenge("guest")}
        with self._lock:
            self._keep(self.world.api.call("POST", "/v1/auth/guest", guest))
        return self

    def exists(self) -> bool:
        """Looked up in the table: a wrong guess by signing in would count as a failed one."""
        found = self.world.stack.aws.client("dynamodb").get_item(
            TableName=self.world.stack.outputs["TableIdentity"],
            Key={"pk": {"S": f"EMAIL#{self.email}"}, "sk": {"S": "EMAIL"}},
        )
        return "Item" in found

    def enter(self) -> "Person":
        """Signs in, and up before when there is no account yet."""
        return self.sign_in() if self.exists() else self.sign_up()

    def sign_in(self) -> "Person":
        credentials = {"login": self.email, "password": self.password}
        with self._lock:
            challenge = {"turnstile_token": solved_challenge("login")}
            self._keep(self.world.api.call("POST", "/v1/auth/login", credentials | challenge))
        if not self.id:
            self.id = str(self.call("GET", "/v1/users/me")["id"])
        return self

    def mails(self, subject: str) -> list[Json]:
        """Their mails whose subject contains a text."""
        return [mail for mail in self.world.mailbox.to(self.email) if subject in mail["Subject"]]

    def call(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        return self.world.api.call(method, path, body, token=self.token(), key=key)

    def send(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        return self.world.api.send(method, path, body, token=self.token(), key=key)

    def token(self) -> str:
        """An access token that is still good for a while."""
        with self._lock:
            if time.monotonic() - self._since > REFRESH_SECONDS:
                refresh = {"refresh_token": self._tokens["refresh_token"]}
                self._keep(self.world.api.call("POST", "/v1/auth/refresh", refresh))
            return str(self._tokens["access_token"])

    def _keep(self, tokens: Json) -> None:
        self._tokens, self._since = tokens, time.monotonic()

    def grant(self, role: str) -> "Person":
        """Makes them staff, as the runbook says; tokens from now on carry the role."""
        self.world.stack.aws.client("dynamodb").update_item(
            TableName=self.world.stack.outputs["TableIdentity"],
            Key={"pk": {"S": f"USER#{self.id}"}, "sk": {"S": "USER"}},
            UpdateExpression="SET #roles = :roles, #version = #version + :one",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeNames={"#roles": "roles", "#version": "version"},
            ExpressionAttributeValues={":roles": {"L": [{"S": role}]}, ":one": {"N": "1"}},
        )
        return self.sign_in()

    def open_shop(self, name: str, slug: str, return_policy: str = "Thirty days, unused.") -> Json:
        shop: Json = self.call("POST", "/v1/sellers", {"name": name, "slug": slug, "return_policy": return_policy})
        return shop

    def add_address(self) -> str:
        address = {
            "name": "Ada Buyer", "line1": "Canal Street 12", "city": "Hamburg", "postal_code": "20457", "country": "DE",
        }  # fmt: skip
        return str(self.call("POST", "/v1/users/me/addresses", address)["id"])

    def list_product(self, category: str, title: str, price: int, quantities: list[int]) -> list[str]:
        """Lists a product with a variant per quantity, and answers the variants' ids."""
        sizes = [f"size {number}" for number in range(1, len(quantities) + 1)]
        product = self.call("POST", "/v1/products", {
            "title": title, "description": f"{title}, for tests.", "category": category, "price": usd(price),
            "options": [{"name": "size", "values": sizes}],
            "variants": [
                {"options": [{"name": "size", "value": size}], "quantity": quantity}
                for size, quantity in zip(sizes, quantities, strict=True)
            ],
        })  # fmt: skip
        return [str(variant["id"]) for variant in product["variants"]]

    def stock(self, variant: str) -> Json:
        stock: Json = self.call("GET", f"/v1/inventory/{variant}")
        return stock


def every(person: Person, path: str) -> list[Json]:
    """The items of all pages."""
    found: list[Json] = []
    cursor = ""
    while True:
        page = person.call("GET", f"{path}{cursor}")
        found += page["items"]
        if not page.get("next_cursor"):
            return found
        cursor = f"&cursor={page['next_cursor']}"


def by_link(method: str, url: str, body: bytes | None = None) -> Answer:
    """What a browser does with a link to a file."""
    parts = urlsplit(url)
    return Server(f"{parts.scheme}://{parts.netloc}").send(method, f"{parts.path}?{parts.query}", body, {})


def usd(cents: int) -> Json:
    return {"amount": cents, "currency": "USD"}


def solved_challenge(action: str) -> str:
    """A token that the stand-in of Turnstile takes for a challenge a person solved; each works once."""
    return f"solved:{action}:{uuid.uuid4()}"


def verification_token(mail: Json) -> str:
    found = re.search(r"verify-email\?token=([\w.~%-]+)", mail["BodyText"])
    if found is None:
        raise Failure(f"there is no link in the verification mail: {mail['BodyText']}")
    return found[1]
