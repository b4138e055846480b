"""`make bench`: what every function costs. The real release binaries, each in one process that this host feeds.

The host speaks the Lambda runtime API, so it sees when a process is ready, and how long and how much processor time
each invocation takes: from handing over an event until the function asks for the next one.
"""

import json
import math
import os
import platform
import queue
import re
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from . import bridge, demo, wallets
from .client import Json, Person, World, by_link, solved_challenge, usd
from .console import Failure, say, step
from .deploy import STACK, Stack
from .paths import ROOT, TARGET
from .template import Function, functions
from .tools import environment

PERFORMANCE = ROOT / "docs" / "PERFORMANCE.md"
GENERATED = "<!-- Written by `make bench`; what follows is replaced. -->\n"
STARTS = 10
PURCHASES = 5
# How often everything else is called.
OTHERS = 4
# No invocation for this long means that a purchase has had its last consequence.
QUIET_SECONDS = 3.0
START_SECONDS = 30
INVOKE_SECONDS = 60
PASSWORD = "a-quiet-harbour-42"


@dataclass
class Cost:
    """Of one invocation."""

    function: str
    seconds: float
    cpu_seconds: float


class Process:
    """One function in one process, behind its own runtime API."""

    def __init__(self, name: str, variables: dict[str, str], log: Path) -> None:
        self.name, self.log = name, log
        self._events: queue.Queue[tuple[bytes, Future[bytes]] | None] = queue.Queue()
        self._open: dict[str, tuple[Future[bytes], float, float]] = {}
        self._turn = threading.Lock()
        self._asked = threading.Event()
        self.ready_at = 0.0
        self.costs: list[Cost] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        # The default looks for an end twice a second, which is long for a process that lives for milliseconds.
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        host = f"127.0.0.1:{self._server.server_address[1]}"
        lambda_variables = {
            "AWS_LAMBDA_RUNTIME_API": host, "AWS_LAMBDA_FUNCTION_NAME": name, "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_LOG_GROUP_NAME": name, "AWS_LAMBDA_LOG_STREAM_NAME": "1",
        }  # fmt: skip
        with log.open("ab") as output:
            self.started_at = time.perf_counter()
            # It ends by itself when this host does, for then nobody answers its request for an event.
            self.process = subprocess.Popen(
                [str(TARGET / "release" / name)], env=variables | lambda_variables, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output,
            )  # fmt: skip
        if not self._asked.wait(START_SECONDS):
            raise Failure(f"{name} was not ready within {START_SECONDS} s; see {log}")

    @property
    def ready_seconds(self) -> float:
        return self.ready_at - self.started_at

    def cpu_seconds(self) -> float:
        """Processor time of all threads so far: the process's CPU clock (see clock_getcpuclockid(3))."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]

    def invoke(self, event: Any) -> bytes:
        """One at a time, as Lambda does it."""
        with self._turn:
            answer: Future[bytes] = Future()
            self._asked.wait(INVOKE_SECONDS)
            self._asked.clear()
            self._events.put((json.dumps(event).encode(), answer))
            body = answer.result(INVOKE_SECONDS)
            # Its work after the answer belongs to this invocation.
            if not self._asked.wait(INVOKE_SECONDS):
                raise Failure(f"{self.name} did not ask for another event")
            return body

    def stop(self) -> None:
        self._events.put(None)
        self.process.kill()
        self.process.wait()
        self._server.shutdown()
        self._server.server_close()

    def _next(self) -> tuple[str, bytes] | None:
        """The next event; `None` when there will be no more."""
        if not self.ready_at:
            self.ready_at = time.perf_counter()
        for _, started, cpu in self._open.values():
            self.costs.append(Cost(self.name, time.perf_counter() - started, self.cpu_seconds() - cpu))
        self._open.clear()
        self._asked.set()
        taken = self._events.get()
        if taken is None:
            return None
        event, answer = taken
        identity = str(uuid.uuid4())
        self._open[identity] = (answer, time.perf_counter(), self.cpu_seconds())
        return identity, event

    def _answer(self, identity: str, body: bytes, failed: bool) -> None:
        answer = self._open[identity][0]
        if failed:
            answer.set_exception(Failure(f"{self.name} failed: {body.decode(errors='replace')[:500]}"))
        else:
            answer.set_result(body)

    def _handler(owner) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(_Quiet):
            def do_GET(self) -> None:
                taken = owner._next()
                if taken is None:
                    self.close_connection = True
                    return
                identity, event = taken
                self.reply(200, event, {
                    "lambda-runtime-aws-request-id": identity,
                    "lambda-runtime-deadline-ms": str(int((time.time() + INVOKE_SECONDS) * 1000)),
                    "lambda-runtime-invoked-function-arn": f"arn:aws:lambda:us-east-1:000000000000:function:{owner.name}",
                    "lambda-runtime-trace-id": "Root=1-00000000-000000000000000000000000;Sampled=0",
                })  # fmt: skip

            def do_POST(self) -> None:
                *_, identity, what = urlsplit(self.path).path.split("/")
                owner._answer(identity, self.body(), what == "error")
                self.reply(202, b"", {})

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that ends is a process that was stopped."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two packets: without this the second waits 40 ms for the first one's acknowledgement.
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        pass

    def body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@dataclass
class Host:
    """All functions, started when first needed, behind one HTTP address. `invoke` is what the bridge calls."""

    variables: dict[str, dict[str, str]]
    memory_mb: dict[str, int]
    directory: Path
    processes: dict[str, Process] = field(default_factory=dict)
    busy: int = 0
    idle_since: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> str:
        """Listens, and answers the address."""
        routes = [
            (trigger.properties["Method"].upper(), _pattern(trigger.properties["Path"]), trigger.properties["Path"], function)
            for function in functions()
            for trigger in function.triggers
            if trigger.kind == "HttpApi"
        ]
        # A literal part wins over a parameter.
        routes.sort(key=lambda route: route[2].count("{"))
        server = _Server(("127.0.0.1", 0), _front(self, routes))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    def invoke(self, function: str, event: Any) -> Any:
        body = self.invoke_raw(function, event)
        return json.loads(body) if body else None

    def invoke_raw(self, function: str, event: Any) -> bytes:
        with self.lock:
            self.busy += 1
            if function not in self.processes:
                log = self.directory / f"{function}.log"
                self.processes[function] = Process(function, self.variables[function], log)
            process = self.processes[function]
        try:
            return process.invoke(event)
        finally:
            with self.lock:
                self.busy -= 1
                self.idle_since = time.monotonic()

    def settle(self) -> None:
        """Waits until nothing has been invoked for a while."""
        deadline = time.monotonic() + INVOKE_SECONDS
        while self.busy or time.monotonic() - self.idle_since < QUIET_SECONDS:
            if time.monotonic() > deadline:
                raise Failure("the functions do not come to rest")
            time.sleep(0.05)

    def costs(self) -> list[Cost]:
        return [cost for process in self.processes.values() for cost in process.costs]

    def stop(self) -> None:
        for process in self.processes.values():
            process.stop()


Route = tuple[str, re.Pattern[str], str, Function]


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path.replace(".", r"\.")) + "$")


def _front(host: Host, routes: list[Route]) -> type[BaseHTTPRequestHandler]:
    """What API Gateway does: a request becomes an event, an answer a response."""

    class Front(_Quiet):
        def serve(self) -> None:
            body, url = self.body(), urlsplit(self.path)
            for method, pattern, path, function in routes:
                found = pattern.match(url.path) if method == self.command else None
                if found:
                    break
            else:
                self.reply(404, b"{}", {"content-type": "application/json"})
                return
            route = f"{method} {path}"
            event = {
                "version": "2.0", "routeKey": route, "rawPath": url.path, "rawQueryString": url.query,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "queryStringParameters": dict(parse_qsl(url.query)),
                "pathParameters": {name: unquote(value) for name, value in found.groupdict().items()},
                "requestContext": {
                    "accountId": "000000000000", "apiId": "bench", "domainName": "localhost", "domainPrefix": "bench",
                    "http": {
                        "method": method, "path": url.path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                        "userAgent": "bench",
                    },
                    "requestId": uuid.uuid4().hex, "routeKey": route, "stage": "$default",
                    "time": "01/Jan/2027:00:00:00 +0000", "timeEpoch": int(time.time() * 1000),
                },
                "body": body.decode() if body else None, "isBase64Encoded": False,
            }  # fmt: skip
            answer = host.invoke(function.name, event)
            self.reply(answer["statusCode"], (answer.get("body") or "").encode(), answer.get("headers") or {})

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    return Front


HOT_ITEM = """\
## One item that everybody wants

1,000 buyers come within a second for 700 units of one variant (`cargo xtask hot-item`), through the real use case and the
in-process database, in virtual time. Modelled: a partition key takes 1,000 write units a second, a transaction holds each of its
items for 8 ms and meets another one with a conflict, any other answer takes 3 ms, the network up to 2 ms. Whoever is told to
come again does so after a second. Nothing may be oversold, nobody refused while there is any, and the books must agree.

"""


def run_bench(stack: Stack, start_providers: Callable[[Stack], None]) -> None:
    """Measures, prints, and writes `docs/PERFORMANCE.md`."""
    directory = stack.aws.state / "functions"
    directory.mkdir(exist_ok=True)
    for log in directory.glob("*.log"):
        log.unlink()
    host = Host(*_configuration(stack), directory)
    feeds = None
    try:
        measured = Stack(stack.aws, stack.providers_url, host.start(), stack.outputs)
        sources = [source for source in bridge.take_over(stack.aws) if source.kind != "schedule"]
        start_providers(measured)
        starts = _starts(host)
        feeds = bridge.Bridge(stack.aws, sources, host)
        feeds.start()
        host.invoke("rotate_signing_keys", {"source": "deploy"})
        demo.load(measured)
        with step(f"{PURCHASES} purchases, one after the other"):
            purchases = _purchases(host, World.of(measured))
        resident = {name: process.resident_bytes() for name, process in host.processes.items()}
        text = report(host, starts, resident, purchases, _capacity())
    finally:
        if feeds:
            feeds.stop()
        host.stop()
    with step("a crowd that wants one item, from 1, 4, 16 and 64 shards"):
        text += "\n" + HOT_ITEM + _xtask("hot-item")
    say("\n" + text)
    head = PERFORMANCE.read_text().split(GENERATED, 1)[0]
    PERFORMANCE.write_text(head + GENERATED + "\n" + text)


def _configuration(stack: Stack) -> tuple[dict[str, dict[str, str]], dict[str, int]]:
    """The environment and the memory of each deployed function."""
    pages = stack.aws.client("lambda").get_paginator("list_functions").paginate()
    items = {item["FunctionName"].removeprefix(f"{STACK}-"): item for page in pages for item in page["Functions"]}
    base = stack.aws.environment()
    variables = {name: base | item["Environment"]["Variables"] for name, item in items.items()}
    return variables, {name: item["MemorySize"] for name, item in items.items()}


def _starts(host: Host) -> dict[str, float]:
    """Seconds from starting a process to its first request for an event: the median of some."""
    found = {}
    with step(f"starting each function {STARTS} times"):
        for name, variables in host.variables.items():
            times = []
            for _ in range(STARTS):
                process = Process(name, variables, host.directory / f"{name}.log")
                times.append(process.ready_seconds)
                process.stop()
            found[name] = statistics.median(times)
    return found


Purchase = dict[str, list[Cost]]


def _purchases(host: Host, world: World) -> list[Purchase]:
    """The costs of each phase of each purchase."""
    seller = Person(world, "bench-seller@people.example", "bench-seller", PASSWORD).sign_up()
    seller.open_shop("Bench", "bench")
    category = str(world.api.call("GET", "/v1/categories")["items"][0]["id"])
    variants = seller.list_product(category, "Workbench", 4_900, [1_000, 1_000])
    product = world.api.call("GET", f"/v1/products?seller={seller.call('GET', '/v1/sellers/bench')['id']}")["items"][0]["id"]
    found = []
    for number in range(PURCHASES):
        buyer = Person(world, f"bench-{number}@people.example", f"bench-{number}", PASSWORD).sign_up()
        address = buyer.add_address()
        phases: dict[str, list[Cost]] = {}

        def phase(name: str, tell: Callable[[], Any], phases: dict[str, list[Cost]] = phases) -> Any:
            host.settle()
            before = {name: len(process.costs) for name, process in host.processes.items()}
            answer = tell()
            host.settle()
            phases[name] = [
                cost for name, process in host.processes.items() for cost in process.costs[before.get(name, 0) :]
            ]
            return answer

        phase("sign-in", buyer.sign_in)
        phase("browsing", lambda: _browse(world, str(product)))
        order = phase("cart to paid", lambda buyer=buyer, address=address: _buy(world, buyer, address, variants))
        phase("shipped and delivered", lambda order=order, buyer=buyer: _deliver(seller, buyer, order))
        state = buyer.call("GET", f"/v1/orders/{order['id']}")["state"]
        if state != "completed":
            raise Failure(f"a measured purchase ended as {state}")
        found.append(phases)
    _others(world, host, seller, buyer, str(product))
    host.settle()
    return found


def _browse(world: World, product: str) -> None:
    world.api.call("GET", "/v1/products?limit=20")
    world.api.call("GET", f"/v1/products/{product}")


def _buy(world: World, buyer: Person, address: str, variants: list[str]) -> Json:
    cart = buyer.call("POST", "/v1/carts")["id"]
    for variant in variants:
        buyer.call("PUT", f"/v1/carts/{cart}/lines/{variant}", {"quantity": 1})
    quote = buyer.call("POST", f"/v1/carts/{cart}/quote", {"address": address})["hash"]
    order: Json = buyer.call("POST", "/v1/orders", {"cart": cart, "address": address, "quote": quote})
    payment = buyer.call("POST", f"/v1/orders/{order['id']}/payments", {"gateway": "stripe"})
    if world.confirm(payment).status != 200:
        raise Failure("the stand-in refused a payment")
    return order


def _deliver(seller: Person, buyer: Person, order: Json) -> None:
    part = f"/v1/orders/{order['id']}/parts/{order['parts'][0]['id']}"
    seller.call("POST", f"{part}/shipments", {"carrier": "dhl", "tracking_number": "00340434161094042557"})
    buyer.call("POST", f"{part}/confirm-delivery")


def _others(world: World, host: Host, seller: Person, buyer: Person, product: str) -> None:
    """Every other call, a few times each, so that all are measured warm."""
    staff = Person(world, "bench-staff@people.example", "bench-staff", PASSWORD).sign_up().grant("admin")
    variant = str(seller.call("GET", f"/v1/products/{product}")["variants"][0]["id"])
    address = str(buyer.call("GET", "/v1/users/me/addresses")["items"][0]["id"])
    for number in range(OTHERS):
        _reads(world, seller, buyer, staff)
        _catalog(world, seller, staff, number)
        _stock(seller, staff, variant)
        _waiting(host, seller, buyer, staff, number)
        _pricing(world, seller, staff, number)
        _carts(world, seller, buyer, variant, number)
        for gateway in ("chapa", "paypal", "stripe_checkout"):
            order = _order(buyer, address, variant)
            payment = buyer.call("POST", f"/v1/orders/{order}/payments", {"gateway": gateway})
            wallets.pay(world, buyer, gateway, order, payment)
            if gateway != "stripe_checkout":
                wallets.come_back(world, gateway, order, payment)
        buyer.call("POST", f"/v1/orders/{_order(buyer, address, variant)}/cancel")
        _money_back(world, host, seller, buyer, address, variant)
        _carriers(world, host, seller, buyer, address, variant)
        _sessions(world, buyer, number)
        for name in ("expire_orders", "resolve_payments", "resolve_labels", "rebalance_stock", "rotate_signing_keys"):
            host.invoke(name, {"source": "bench"})
        host.settle()


def _reads(world: World, seller: Person, buyer: Person, staff: Person) -> None:
    for path in ("/v1/orders", "/v1/inventory", "/v1/users/me/addresses", "/v1/users/me"):
        seller.call("GET", path)
    for path in ("/v1/health", "/openapi.json", "/docs", "/.well-known/jwks.json", "/v1/categories", "/v1/sellers/bench"):
        world.api.server.send("GET", path, None, {})
    order = buyer.call("GET", "/v1/orders")["items"][0]["id"]
    buyer.call("GET", f"/v1/orders/{order}/events")
    home = {"name": "Ada Buyer", "line1": "Canal Street 12", "city": "Hamburg", "postal_code": "20457", "country": "DE"}
    buyer.call("POST", "/v1/addresses/validate", home)
    staff.call("GET", "/v1/admin/invariants")


def _change(world: World, who: Person, method: str, path: str, there: Json, body: Json) -> None:
    """Changes what has a version, based on the one that is there."""
    world.api.call(method, path, body, token=who.token(), headers={"if-match": f'"{there["version"]}"'})


def _catalog(world: World, seller: Person, staff: Person, number: int) -> None:
    category = staff.call("POST", "/v1/categories", {"name": f"Bench {number}"})
    _change(world, staff, "PATCH", f"/v1/categories/{category['id']}", category, {"name": f"Benches {number}"})
    seller.list_product(category["id"], f"Vice {number}", 9_900, [3, 3])
    found = world.api.call("GET", f"/v1/products?category={category['id']}")["items"]
    path = f"/v1/products/{found[0]['id']}"
    product = world.api.call("GET", path)
    _change(world, seller, "PATCH", path, product, {"title": f"Large vice {number}"})
    variant = seller.call("GET", path)["variants"][0]
    _change(world, seller, "PATCH", f"{path}/variants/{variant['id']}", variant, {"price": usd(9_500)})
    seller.call("DELETE", f"{path}/variants/{variant['id']}")
    size = [{"name": "size", "value": "size 1"}]
    seller.call("POST", f"{path}/variants", {"options": size, "quantity": 1, "price": usd(9_500)})
    seller.call("DELETE", path)
    staff.call("DELETE", f"/v1/categories/{category['id']}")


def _stock(seller: Person, staff: Person, variant: str) -> None:
    path = f"/v1/inventory/{variant}"
    seller.call("GET", path)
    seller.call("POST", f"{path}/adjust", {"delta": 1, "reason": "found"})
    seller.call("GET", f"{path}/movements")
    staff.call("GET", f"/v1/admin/inventory/{variant}/movements")
    seller.call("PUT", f"{path}/flash-sale", {"shards": 1})
    table = f"sku,quantity\n{variant},{seller.stock(variant)['on_hand']}\n".encode()
    made = seller.call("POST", "/v1/inventory/imports", {"bytes": len(table)})
    by_link("PUT", made["upload"]["url"], table)
    seller.call("GET", f"/v1/inventory/imports/{made['id']}")
    seller.call("GET", "/v1/inventory/export")


def _waiting(host: Host, seller: Person, buyer: Person, staff: Person, number: int) -> None:
    category = staff.call("POST", "/v1/categories", {"name": f"Few {number}"})["id"]
    few = seller.list_product(category, f"Few {number}", 1_000, [1])[0]
    seller.call("POST", f"/v1/inventory/{few}/adjust", {"delta": -1, "reason": "lost"})
    buyer.call("POST", f"/v1/variants/{few}/alerts")
    seller.call("POST", f"/v1/inventory/{few}/adjust", {"delta": 1, "reason": "found"})
    host.settle()
    buyer.call("GET", "/v1/alerts")
    buyer.call("DELETE", f"/v1/variants/{few}/alerts")


def _pricing(world: World, seller: Person, staff: Person, number: int) -> None:
    zones = [{"options": [{"id": "post", "name": "Post", "days_min": 1, "days_max": 3, "price": {"kind": "flat", "amount": usd(500)}}]}]
    tax = {"prices": "exclusive", "rounding": "per_order", "default_rate": 2_000, "shipping": {"kind": "as_goods"}, "rates": []}
    for who, path, body in (
        (staff, "/v1/admin/settings", {"tax": tax, "shipping": {"zones": zones}}),
        (seller, "/v1/sellers/me/shipping", {"zones": zones}),
    ):
        _change(world, who, "PUT", path, who.call("GET", path), body)
    code = f"BENCH-{number}"
    seller.call("POST", "/v1/coupons", {
        "code": code, "scope": "shop", "worth": {"kind": "percentage", "rate": 1_000},
        "ends_at": time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() + 30 * 86_400)),
    })  # fmt: skip
    coupon = next(one for one in seller.call("GET", "/v1/coupons?scope=shop")["items"] if one["code"] == code)
    _change(world, seller, "PATCH", f"/v1/coupons/{code}", coupon, {"active": True})


def _carts(world: World, seller: Person, buyer: Person, variant: str, number: int) -> None:
    cart = buyer.call("POST", "/v1/carts")["id"]
    path = f"/v1/carts/{cart}"
    buyer.call("PUT", f"{path}/lines/{variant}", {"quantity": 2})
    buyer.call("PUT", f"{path}/coupon", {"code": f"BENCH-{number}"})
    buyer.call("GET", path)
    buyer.call("DELETE", f"{path}/coupon")
    buyer.call("DELETE", f"{path}/lines/{variant}")
    buyer.call("DELETE", path)
    guest = world.api.call("POST", "/v1/carts")
    secret = {"cart-token": guest["token"]}
    world.api.call("PUT", f"/v1/carts/{guest['id']}/lines/{variant}", {"quantity": 1}, headers=secret)
    world.api.call("POST", f"/v1/carts/{guest['id']}/merge", token=buyer.token(), headers=secret)


def _money_back(world: World, host: Host, seller: Person, buyer: Person, address: str, variant: str) -> None:
    """Of three units one is refunded and two are sent; one of these may come back, the other one not."""
    path = f"/v1/orders/{_order(buyer, address, variant, 3)}"
    world.confirm(buyer.call("POST", f"{path}/payments", {"gateway": "stripe"}))
    host.settle()
    one = {"lines": [{"variant": variant, "quantity": 1}]}
    seller.call("POST", f"{path}/refunds", one)
    _deliver(seller, buyer, buyer.call("GET", path))
    asked = [buyer.call("POST", f"{path}/returns", {**one, "reason": "Too small"})["return"]["id"] for _ in range(2)]
    seller.call("POST", f"/v1/returns/{asked[0]}/approve")
    seller.call("POST", f"/v1/returns/{asked[0]}/received", {"sellable": one["lines"]})
    seller.call("POST", f"/v1/returns/{asked[1]}/reject")


def _carriers(world: World, host: Host, seller: Person, buyer: Person, address: str, variant: str) -> None:
    """One label is given back, another one sent with, and its carrier delivers."""
    path = f"/v1/orders/{_order(buyer, address, variant)}"
    world.confirm(buyer.call("POST", f"{path}/payments", {"gateway": "stripe"}))
    host.settle()
    part = f"{path}/parts/{buyer.call('GET', path)['parts'][0]['id']}"
    wish = f"{part}/rates?from={seller.add_address()}&weight_g=800&length_mm=300&width_mm=200&height_mm=100"
    first, second = (seller.call("POST", f"{part}/labels", {"rate": rate["rate"]}) for rate in seller.call("GET", wish)["rates"][:2])
    seller.call("DELETE", f"{part}/labels/{first['id']}")
    seller.call("POST", f"{part}/shipments", {"label": second["id"]})
    host.settle()
    for news in ("OUT_FOR_DELIVERY", "DELIVERED"):
        world.control(f"/shippo/tracks/{second['carrier'].lower()}/{second['tracking_number']}", {"status": news})
        host.settle()
    buyer.call("GET", f"{path}/tracking")


def _order(buyer: Person, address: str, variant: str, quantity: int = 1) -> str:
    cart = buyer.call("POST", "/v1/carts")["id"]
    buyer.call("PUT", f"/v1/carts/{cart}/lines/{variant}", {"quantity": quantity})
    quote = buyer.call("POST", f"/v1/carts/{cart}/quote", {"address": address})["hash"]
    return str(buyer.call("POST", "/v1/orders", {"cart": cart, "address": address, "quote": quote})["id"])


def _sessions(world: World, buyer: Person, number: int) -> None:
    entry = {"email": f"bench-guest-{number}@people.example", "turnstile_token": solved_challenge("guest")}
    tokens = world.api.call("POST", "/v1/auth/guest", entry)
    tokens = world.api.call("POST", "/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    world.api.call("POST", "/v1/auth/logout", {"refresh_token": tokens["refresh_token"]}, token=tokens["access_token"])
    world.api.call("POST", "/v1/auth/resend-verification", {"email": buyer.email})
    buyer.call("POST", "/v1/orders/claim")


def _xtask(command: str) -> str:
    answer = subprocess.run(
        [str(TARGET / "release" / "xtask"), command], env=environment(), cwd=ROOT, capture_output=True, text=True
    )
    if answer.returncode != 0:
        raise Failure(f"xtask {command} failed: {answer.stderr}")
    return answer.stdout


def _capacity() -> list[Json]:
    """DynamoDB round trips and capacity per call, counted by the in-process database."""
    found: list[Json] = json.loads(_xtask("capacity"))
    return found


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def report(
    host: Host, starts: dict[str, float], resident: dict[str, int], purchases: list[Purchase], capacity: list[Json]
) -> str:
    """Everything measured, as Markdown."""
    return "\n".join([
        f"## The machine\n\n{_machine()}\n",
        "## Functions\n", _functions(host, starts, resident),
        "## Processor time of one order\n", _phases(purchases),
        "## What DynamoDB is asked\n", _calls(capacity),
        "## What one order costs\n", _price(host, purchases, capacity),
    ])  # fmt: skip


def _machine() -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} × {model[1] if model else 'unknown'}, release build, {platform.machine()}."


def _functions(host: Host, starts: dict[str, float], resident: dict[str, int]) -> str:
    rows = []
    for name, start in starts.items():
        # The first invocation fills caches and opens connections.
        warm = host.processes[name].costs[1:] if name in host.processes else []
        size = (TARGET / "release" / name).stat().st_size
        rows.append([
            f"`{name}`", f"{size / 1e6:.1f}", f"{start * 1000:.1f}", f"{resident[name] / 1e6:.1f}" if name in resident else "",
            str(len(warm)) if warm else "",
            f"{statistics.median(cost.seconds for cost in warm) * 1000:.1f}" if warm else "",
            f"{statistics.median(cost.cpu_seconds for cost in warm) * 1000:.2f}" if warm else "",
        ])  # fmt: skip
    head = ["function", "binary, MB", "start to ready, ms", "resident, MB", "warm calls", "latency, ms", "own CPU, ms"]
    return _table(head, rows)


def _phases(purchases: list[Purchase]) -> str:
    rows = []
    for phase in purchases[0]:
        cpu = [sum(cost.cpu_seconds for cost in purchase[phase]) * 1000 for purchase in purchases]
        calls = statistics.median(len(purchase[phase]) for purchase in purchases)
        rows.append([phase, f"{calls:.0f}", f"{statistics.median(cpu):.2f}", f"{min(cpu):.2f}", f"{max(cpu):.2f}"])
    return _table(["phase", "invocations", "CPU, ms (median)", "least", "most"], rows)


def _calls(capacity: list[Json]) -> str:
    rows = [
        [row["phase"], f"`{row['call']}`", str(row["round_trips"]), row["read"], row["write"], ", ".join(row["operations"])]
        for row in capacity
        if row["call"] != "publish_events"
    ]
    return _table(["phase", "call", "round trips", "read units", "write units", "operations"], rows)


# US dollars, us-east-1 list prices, per unit named.
PER_WRITE_UNIT = 0.625e-6
PER_READ_UNIT = 0.125e-6
PER_GB_SECOND_ARM = 0.0000133334
PER_INVOCATION = 0.20e-6
PER_HTTP_CALL = 1.00e-6
PER_QUEUE_REQUEST = 0.40e-6
PER_BUS_EVENT = 1.00e-6
PER_MAIL = 0.10e-3
# Sent, received, deleted.
REQUESTS_PER_MESSAGE = 3
NOT_IN_AN_ORDER = ("preparation", "sign-up")


def _price(host: Host, purchases: list[Purchase], capacity: list[Json]) -> str:
    rows = [row for row in capacity if row["phase"] not in NOT_IN_AN_ORDER]
    http_names = {f.name for f in functions() if any(trigger.kind == "HttpApi" for trigger in f.triggers)}
    costs = [cost for phase in purchases[-1].values() for cost in phase]
    gb_seconds = sum(math.ceil(cost.seconds * 1000) / 1000 * host.memory_mb[cost.function] / 1024 for cost in costs)
    messages = sum(row["call"] in ("send_mail", "process_payment_events") for row in rows)
    http_calls = sum(cost.function in http_names for cost in costs)
    lines = [
        ("DynamoDB write units", sum(float(row["write"]) for row in rows), PER_WRITE_UNIT),
        ("DynamoDB read units", sum(float(row["read"]) for row in rows), PER_READ_UNIT),
        ("Lambda GB-seconds (arm64)", gb_seconds, PER_GB_SECOND_ARM),
        ("Lambda invocations", len(costs), PER_INVOCATION),
        ("HTTP API calls", http_calls, PER_HTTP_CALL),
        ("SQS requests", messages * REQUESTS_PER_MESSAGE, PER_QUEUE_REQUEST),
        ("EventBridge events", sum(row.get("events", 0) for row in rows), PER_BUS_EVENT),
        ("mails", sum(row.get("mails", 0) for row in rows), PER_MAIL),
    ]
    table = [[name, f"{amount:.3g}", f"{amount * price * 1e6:.1f}"] for name, amount, price in lines]
    total = sum(amount * price for _, amount, price in lines)
    without_mail = total - lines[-1][1] * lines[-1][2]
    table.append(["**together**", "", f"**{total * 1e6:.0f}**"])
    table.append(["without mails", "", f"{without_mail * 1e6:.0f}"])
    return _table(["", "amount", "millionths of a US dollar"], table)
