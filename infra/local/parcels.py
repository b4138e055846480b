"""What two sellers send by labels and by carriers of their own while others buy, and what carriers tell of it."""

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import Any

from .client import Json, Person, Problem, wait_until
from .console import Failure
from .deploy import SHIPPO_API_KEY
from .market import Buyer, Market, Tally, in_parallel, prepare_buyers
from .purchase import Checks

UNITS_PER_PART = 2
SIZE = "weight_g=800&length_mm=300&width_mm=200&height_mm=100"
# A purchase of which nobody knows is looked for after two minutes, and made again then.
LABEL_PAUSE_SECONDS = 5
# What arrives behind our back arrives before that, or nobody would notice.
LATE_SECONDS_MAX = 80
# As long as a crowd may be in the way.
SETTLE_SECONDS = 600
# A call may be in its way, so that what is not the API's is said again.
STAND_IN_SECONDS = 60
# What goes wrong at Shippo, in this order. The first purchases meet one each: of some it never hears, some it makes and we
# never hear of that, and one it makes when we do not wait any more.
SHIPPO_FAULTS: tuple[Json, ...] = (
    {"operation": "quote", "answer": {"status": 503}}, {"operation": "quote", "answer": "drop", "when": "after"},
    {"operation": "shipment", "answer": "drop"}, {"operation": "list", "answer": {"status": 500}},
    {"operation": "buy", "answer": {"status": 500}}, {"operation": "buy", "answer": "drop", "when": "after"},
    {"operation": "buy", "answer": "drop"}, {"operation": "buy", "answer": {"status": 500}, "when": "after"},
    {"operation": "buy", "answer": {"garbage": 502}, "when": "after"},
    {"operation": "buy", "answer": "usual", "delay_ms": 12_000},
    {"operation": "buy", "answer": "usual", "delay_ms": 3_000, "when": "after"},
    {"operation": "purchase", "answer": "drop"},
    {"operation": "register", "answer": "drop", "when": "after"},
)  # fmt: skip
# A label that is given back: Shippo takes it, and we do not hear of that.
LOST_REFUND: Json = {"operation": "refund", "answer": {"status": 500}, "when": "after"}
BUYS_WITH_FAULTS = sum(fault["operation"] == "buy" for fault in SHIPPO_FAULTS)
# What carriers tell, in the order in which it happens; they tell it several times, and things overtake each other.
JOURNEY = ("TRANSIT", "OUT_FOR_DELIVERY", "FAILURE", "DELIVERED", "TRANSIT")
# How a purchase may stand at Shippo, by the state of its label here.
STATUSES: dict[str, set[str]] = {
    "bought": {"SUCCESS"}, "voiding": {"REFUNDPENDING", "REFUNDED"}, "voided": {"REFUNDED"}, "failed": set(),
}  # fmt: skip
# Refusals that are right when the other one was faster.
TOO_LATE = ("order-state", "in-use", "conflict")


@dataclass(frozen=True)
class Part:
    """A seller's part of an order."""

    seller: Person
    buyer: Buyer
    order: str
    path: str
    # What carriers are asked with.
    question: str


@dataclass
class Parcels:
    """Orders of two sellers' goods, each part sent in another way."""

    market: Market
    tally: Tally
    buyers: list[Buyer] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    # Which labels a rate led to, over all the calls.
    labels: dict[str, set[str]] = field(default_factory=dict)
    # When each rate was asked for first.
    since: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    # One after the other, so that faults meet whom they are for.
    giving_back: threading.Lock = field(default_factory=threading.Lock)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    calls_before: int = 0
    is_doubled: bool = False

    def order(self) -> None:
        """Before the sale: every household orders from both sellers, and pays."""
        ways = self.ways()
        self.buyers = prepare_buyers(self.market.world, len(ways))
        in_parallel(self.bought_by, self.buyers, len(self.buyers))
        stores = {shop: person.add_address() for shop, person in self.market.shops.items()}
        for buyer, part in ((buyer, part) for buyer in self.buyers for part in sorted(buyer.orders[0]["parts"], key=itemgetter("id"))):
            path = f"/v1/orders/{buyer.orders[0]['id']}"
            own = f"{path}/parts/{part['id']}"
            question = f"{own}/rates?from={stores[part['id']]}&{SIZE}"
            self.parts.append(Part(self.market.shops[part["id"]], buyer, path, own, question))

    def bought_by(self, buyer: Buyer) -> None:
        person, world = buyer.person, self.market.world
        cart = person.call("POST", "/v1/carts")["id"]
        for variant in self.market.parcel_goods:
            person.call("PUT", f"/v1/carts/{cart}/lines/{variant}", {"quantity": UNITS_PER_PART})
        quote = person.call("POST", f"/v1/carts/{cart}/quote", {"address": buyer.address})
        order = person.call("POST", "/v1/orders", {"cart": cart, "address": buyer.address, "quote": quote["hash"]})
        path = f"/v1/orders/{order['id']}"
        answer = world.confirm(person.call("POST", f"{path}/payments", {"gateway": "stripe"}))
        if answer.status != 200:
            raise Failure(f"the stand-in of stripe answered {answer.status}: {answer.body[:300]!r}")
        wait_until(lambda: person.call("GET", path)["state"] == "paid", "a household's order to be paid", SETTLE_SECONDS, 1)
        buyer.orders.append(person.call("GET", path))

    def ways(self) -> tuple[Callable[[Part], None], ...]:
        return (
            self.with_a_label, self.asked_twice_under_one_key, self.asked_twice_under_two_keys, self.in_two_parcels,
            self.given_back, self.given_back_while_sent, self.with_an_own_carrier,
        )  # fmt: skip

    def run(self) -> None:
        """During the sale: each part in a way of its own, all at once, until everything has arrived."""
        world = self.market.world
        self.calls_before = self.shippo()["calls"].get("buy", 0)
        for fault in SHIPPO_FAULTS:
            world.control("/shippo/faults", fault)
        world.control("/shippo/refuse", {"code": "carrier_timeout"})
        ways = self.ways()
        # The second seller does what the first one does, to the orders that come some later.
        work = [(ways[(number // 2 + number % 2 * 3) % len(ways)], part) for number, part in enumerate(self.parts)]
        in_parallel(lambda one: self.go(*one), work, len(work))

    def go(self, way: Callable[[Part], None], part: Part) -> None:
        self.tally.count(f"parcel {way.__name__.replace('_', ' ')}")
        way(part)
        self.told(part)

    # How a part may be sent.

    def with_a_label(self, part: Part) -> None:
        """Both of the seller's people put the same label on it, or mean to."""
        self.sent_with(part, self.label(part))

    def asked_twice_under_one_key(self, part: Part) -> None:
        rate = self.rates(part)[0]
        in_parallel(partial(self.asked, part, rate), ["one-key", "one-key"], 2)
        self.sent_with(part, self.label(part, rate))

    def asked_twice_under_two_keys(self, part: Part) -> None:
        rate = self.rates(part)[0]
        in_parallel(partial(self.asked, part, rate), ["first-key", "second-key", "third-key"], 3)
        self.sent_with(part, self.label(part, rate))

    def in_two_parcels(self, part: Part) -> None:
        variant = part.seller.call("GET", part.order)["parts"][0]["lines"][0]["variant"]
        one = [{"variant": variant, "quantity": 1}]
        self.sent_with(part, self.label(part), one)
        self.sent_with(part, self.label(part))

    def given_back(self, part: Part) -> None:
        """By both of the seller's people. One seller has a carrier that agrees at once; of the other's call, Shippo's answer gets lost."""
        label = self.label(part)
        with self.giving_back:
            if part.seller is self.market.seller:
                self.agreed_at_once(label)
            else:
                self.market.world.control("/shippo/faults", LOST_REFUND)
            self.voided(part, label)
        self.sent_with(part, self.label(part))

    def given_back_while_sent(self, part: Part) -> None:
        label = self.label(part)
        ship = partial(part.seller.call, "POST", f"{part.path}/shipments", {"label": label["id"]})
        void = partial(part.seller.call, "DELETE", f"{part.path}/labels/{label['id']}")
        acts = [ship, void] if part.seller is self.market.seller else [void, ship]
        done = in_parallel(self.in_time, acts, 2)
        if sum(done) != 1:
            raise Failure(f"of sending {label['id']} and giving it back, {sum(done)} were possible")
        if not self.shipments(part):
            self.tally.count("labels: given back before it was sent")
            self.sent_with(part, self.label(part))

    def with_an_own_carrier(self, part: Part) -> None:
        """Shippo is asked to follow it."""
        number = f"9400{part.order[-10:]}{next(self.numbers):04}"
        parcel = {"carrier": "UPS", "tracking_number": number}
        part.seller.call("POST", f"{part.path}/shipments", parcel)
        wait_until(lambda: number in self.followed(), "a carrier's parcel to be followed", SETTLE_SECONDS, 1)

    # What they do.

    def rates(self, part: Part) -> list[str]:
        return [found["rate"] for found in part.seller.call("GET", part.question)["rates"]]

    def asked(self, part: Part, rate: str, key: str | None = None) -> Json:
        """One call for a label, which answers how it stands."""
        key = key and f"{key}-{rate}"
        with self.lock:
            self.since.setdefault(rate, time.monotonic())
        buy = partial(part.seller.call, "POST", f"{part.path}/labels", {"rate": rate}, key=key)
        label: Json = self.tally.timed("label", buy)
        with self.lock:
            self.labels.setdefault(rate, set()).add(label["id"])
        return label

    def label(self, part: Part, rate: str | None = None) -> Json:
        """A label, whatever it takes. One that the carrier refuses is refused for good, so another one is asked for."""
        while True:
            label = self.decided(part, rate or self.rates(part)[0])
            if label["state"] == "bought":
                return label
            if label["state"] != "failed":
                raise Failure(f"{label['id']} was to be bought, and is {label['state']}")
            self.tally.count(f"labels: refused, {label['failure']}")
            rate = None

    def decided(self, part: Part, rate: str) -> Json:
        """Asks, also twice at once, until it is known what became of it."""
        label = self.asked(part, rate)
        if label["state"] == "buying":
            self.tally.count("labels: not known at once")
            self.doubled(label)

        def known() -> Json | None:
            answers = in_parallel(lambda _: self.asked(part, rate), [1, 2], 2)
            return next((answer for answer in answers if answer["state"] != "buying"), None)

        if label["state"] != "buying":
            return label
        return wait_until(known, f"{label['id']} to be decided", SETTLE_SECONDS, LABEL_PAUSE_SECONDS)

    def doubled(self, label: Json) -> None:
        """Of one label, two of our calls arrive late: it is paid twice."""
        end = self.since[label["rate"]] + LATE_SECONDS_MAX
        with self.lock:
            is_mine = not self.is_doubled and time.monotonic() < end
            self.is_doubled = self.is_doubled or is_mine
        if not is_mine:
            return
        wait_until(lambda: self.faults_are_over() or time.monotonic() > end, "the faults of purchases to be over", SETTLE_SECONDS, 1)
        if time.monotonic() > end:
            self.is_doubled = False
            return
        wish = {"rate": label["rate"].split(".")[1], "metadata": label["id"]}
        for _ in range(2):
            wait_until(lambda: self.at_shippo("/transactions", wish) == 201, "a late purchase", STAND_IN_SECONDS)
        self.tally.count("labels: bought behind our back, twice")

    def faults_are_over(self) -> bool:
        return bool(self.shippo()["calls"].get("buy", 0) >= self.calls_before + BUYS_WITH_FAULTS)

    def voided(self, part: Part, label: Json) -> None:
        void = partial(part.seller.call, "DELETE", f"{part.path}/labels/{label['id']}")
        for answer in in_parallel(lambda _: void(), [1, 2], 2):
            self.tally.count(f"labels: answered {answer['state']} when given back")

    def agreed_at_once(self, label: Json) -> None:
        """As if it had been given back at Shippo by hand, and the carrier had agreed."""
        purchases = self.shippo()["purchases"]
        sold = next(one["object_id"] for one in purchases if one["tracking_number"] == label["tracking_number"])
        # 400 when it was the answer before that got lost.
        wait_until(lambda: self.at_shippo("/refunds", {"transaction": sold}) in (201, 400), "a refund at Shippo", STAND_IN_SECONDS)
        self.market.world.control("/shippo/refunds", {"accepted": True})

    def sent_with(self, part: Part, label: Json, lines: list[Json] | None = None) -> None:
        """Twice at once: it is one parcel."""
        parcel: Json = {"label": label["id"]} | ({"lines": lines} if lines else {})
        in_parallel(lambda _: part.seller.call("POST", f"{part.path}/shipments", parcel), [1, 2], 2)

    def told(self, part: Part) -> None:
        """The carriers tell of every parcel, until it has arrived."""
        for shipment in self.shipments(part):
            place = f"/shippo/tracks/{shipment['carrier'].lower()}/{shipment['tracking_number']}"
            for status in JOURNEY:
                self.market.world.control(place, {"status": status})

        def arrived() -> bool:
            return {one["state"] for one in self.shipments(part)} == {"delivered"}

        wait_until(arrived, "parcels to arrive", SETTLE_SECONDS, 1)

    def in_time(self, act: Callable[[], Any]) -> bool:
        try:
            act()
        except Problem as problem:
            if problem.code not in TOO_LATE:
                raise
            self.tally.count(f"labels: sent or given back, {problem.code}")
            return False
        return True

    # What there is.

    def shipments(self, part: Part) -> list[Json]:
        """As the seller sees them: of their own part alone."""
        found: list[Json] = part.seller.call("GET", f"{part.order}/tracking")["shipments"]
        return found

    def shippo(self) -> Json:
        state: Json = self.market.world.control("/shippo/state")
        return state

    def followed(self) -> set[str]:
        return {track["number"] for track in self.shippo()["tracks"]}

    def at_shippo(self, path: str, body: Json) -> int:
        """A call of Shippo's API that is not the marketplace's."""
        headers = {"authorization": f"ShippoToken {SHIPPO_API_KEY}", "shippo-api-version": "2018-02-08"}
        raw = json.dumps(body).encode()
        return self.market.world.providers.send("POST", f"/shippo{path}", raw, headers | {"content-type": "application/json"}).status

    # What must hold.

    def judge(self, checks: Checks) -> None:
        owns = [part.seller.call("GET", part.order)["parts"][0] for part in self.parts]
        labels = [label for own in owns for label in own.get("labels", [])]
        purchases = self.purchases()
        self.judge_purchases(checks, labels, purchases)
        self.judge_costs(checks, owns, purchases)
        used = Counter(shipment["label"] for own in owns for shipment in own["shipments"] if "label" in shipment)
        kept = {label["id"]: 1 for label in labels if label["state"] == "bought"}
        checks.equal("every label that was kept is in one shipment", dict(used), kept)
        for part, own in zip(self.parts, owns, strict=True):
            checks.equal(f"state of {part.path}", own["state"], "delivered")
            sent = sum(line["quantity"] for shipment in own["shipments"] for line in shipment["lines"])
            checks.equal(f"units sent of {part.path}", sent, UNITS_PER_PART)
            for shipment in self.shipments(part):
                states = [event["state"] for event in shipment["events"]]
                ends = (states[-1:], states.count("delivered"))
                checks.equal(f"{shipment['id']} arrived once, and that is the end", ends, (["delivered"], 1))
        for buyer in self.buyers:
            order = buyer.person.call("GET", f"/v1/orders/{buyer.orders[0]['id']}")
            checks.equal("state of a household's order", order["state"], "completed")

    def judge_purchases(self, checks: Checks, labels: list[Json], purchases: list[Json]) -> None:
        """None is paid and lost, and none twice."""
        for rate, found in self.labels.items():
            checks.equal(f"labels that the rate {rate} led to", len(found), 1)
        ids = [label["id"] for label in labels]
        checks.equal("labels that were asked for are in their orders", set(ids), set().union(*self.labels.values()))
        checks.equal("labels that are in one place", len(ids), len(set(ids)))
        for label in labels:
            self.judge_label(checks, label, [one for one in purchases if one["metadata"] == label["id"]])
        kept = Counter(one["metadata"] for one in purchases if one["status"] == "SUCCESS")
        bought = {label["id"]: 1 for label in labels if label["state"] == "bought"}
        checks.equal("what Shippo sold and kept", dict(kept), bought)
        noticed = self.tally.counts["labels: surplus purchases given back"] > 0
        checks.that("a purchase that was made twice was noticed", noticed or not self.is_doubled)

    def judge_label(self, checks: Checks, label: Json, purchases: list[Json]) -> None:
        sold = [one for one in purchases if one["status"] != "ERROR"]
        own = [one["status"] for one in sold if one["tracking_number"] == label.get("tracking_number")]
        surplus = [one["status"] for one in sold if one["tracking_number"] != label.get("tracking_number")]
        wanted = STATUSES[label["state"]]
        checks.that(f"{label['id']} is {label['state']}, and at Shippo {own}", len(own) == min(1, len(wanted)) and {*own} <= wanted)
        checks.that(f"surplus purchases of {label['id']} are given back, not {surplus}", {*surplus} <= STATUSES["voiding"])
        self.tally.count(f"labels now {label['state']}")
        self.tally.counts["labels: surplus purchases given back"] += len(surplus)

    def judge_costs(self, checks: Checks, owns: list[Json], purchases: list[Json]) -> None:
        """What sellers owe is what Shippo sold less what it took back, as far as it has told us so."""
        paid = {(one["metadata"], one["tracking_number"]): one["amount_minor"] for one in purchases}
        owed, costs = Counter[str](), self.carrier_costs()
        for own in owns:
            for label in own.get("labels", []):
                if label["state"] in ("bought", "voiding"):
                    owed[own["id"]] += paid[label["id"], label["tracking_number"]]
        for shop in self.market.shops:
            checks.equal(f"owed for labels by {shop}", costs[shop], owed[shop])
            checks.that(f"{shop} owes something", owed[shop] > 0)

    def purchases(self) -> list[Json]:
        """Of these orders: an id of a label carries that of its order."""
        ours = tuple(f"lbl_{buyer.orders[0]['id'].removeprefix('ord_')}" for buyer in self.buyers)
        return [one for one in self.shippo()["purchases"] if one["metadata"].startswith(ours)]

    def carrier_costs(self) -> Counter[str]:
        """The balances of the account, from the ledger itself."""
        database, balances = self.market.world.stack.aws.client("dynamodb"), Counter[str]()
        for buyer in self.buyers:
            found = database.query(
                TableName=self.market.world.stack.outputs["TableLedger"], IndexName="by_order",
                KeyConditionExpression="gsi1pk = :order", ExpressionAttributeValues={":order": {"S": f"ORDER#{buyer.orders[0]['id']}"}},
            )  # fmt: skip
            for leg in (leg["M"] for item in found["Items"] for leg in item["legs"]["L"]):
                account = leg["account"]["M"]
                if account["kind"]["S"] == "carrier_costs":
                    sign = 1 if leg["side"]["S"] == "debit" else -1
                    balances[account["seller"]["S"]] += sign * int(leg["amount"]["M"]["amount"]["N"])
        return balances
