"""What becomes of the units of a variant that was sold out: they go to those who wait for it, one after the other."""

import uuid
from dataclasses import dataclass, field
from functools import partial

from .client import Json, Problem, wait_until
from .console import Failure
from .market import Buyer, Market, Tally, in_parallel, prepare_buyers
from .purchase import Checks

# Those who have the units first: one pays, one does not and cancels, one lets the order expire.
OWNERS, IN_LINE = 3, 5
PRICE = 4_900
SUBJECT = "back in stock"
# An order expires within two minutes, and a hold is made within some seconds.
SETTLE_SECONDS = 600


@dataclass
class Line:
    """People who wait for a variant, in the order in which they came."""

    market: Market
    tally: Tally
    variant: str = ""
    owners: list[Buyer] = field(default_factory=list)
    waiting: list[Buyer] = field(default_factory=list)
    outsider: Buyer | None = None
    # What was found on the way, by name, and what should have been.
    found: list[tuple[str, object, object]] = field(default_factory=list)

    @property
    def buyers(self) -> list[Buyer]:
        return [*self.owners, *self.waiting]

    @property
    def alerts(self) -> str:
        return f"/v1/variants/{self.variant}/alerts"

    def come(self) -> None:
        """Before the sale: a variant that there are only few of, and those who want it."""
        category = self.market.staff.call("POST", "/v1/categories", {"name": f"Few {uuid.uuid4().hex[:6]}"})["id"]
        self.variant = self.market.seller.list_product(category, "A lamp of which there are few", PRICE, [OWNERS])[0]
        self.market.stocked[self.variant] = self.market.most[self.variant] = OWNERS
        people = prepare_buyers(self.market.world, OWNERS + IN_LINE + 1, with_guests=False)
        self.owners, self.waiting, self.outsider = people[:OWNERS], people[OWNERS:-1], people[-1]

    def note(self, what: str, found: object, wanted: object) -> None:
        self.found.append((what, found, wanted))

    def run(self) -> None:
        """Everything is sold, and comes back unit by unit."""
        paid, cancelled, expired = self.owners
        first, leaver, third, fourth, last = self.waiting
        self.note("in line while there are some", self.refusal(first, "POST", self.alerts), (409, "in-stock"))
        for owner in self.owners:
            self.buy(owner)
        self.pay(paid)
        for buyer in self.waiting:
            # Twice at once: they stand in line once.
            answers = in_parallel(lambda _, who=buyer: who.person.call("POST", self.alerts), [1, 2], 2)
            self.note("in line", [answer["state"] for answer in answers], ["waiting"] * 2)
        self.note("in line again", first.person.call("POST", self.alerts)["state"], "waiting")
        self.cancel(cancelled)
        self.goes_to(first)
        for other in (leaver, last, self.outsider):
            self.note("a held unit, to somebody else", other and self.refusal_to_order(other), "insufficient-stock")
        self.buy(first)
        self.pay(first)
        self.cancel(paid)
        self.goes_to(leaver)
        leaver.person.call("DELETE", self.alerts)
        leaver.person.call("DELETE", self.alerts)
        self.goes_to(third)
        state = partial(expired.person.call, "GET", f"/v1/orders/{expired.orders[-1]['id']}")
        wait_until(lambda: state()["state"] == "cancelled", "an order to expire", SETTLE_SECONDS, 1)
        self.goes_to(fourth)
        self.note("two of one held unit", self.refusal_to_order(fourth, 2), "insufficient-stock")
        in_parallel(self.buy, [third, fourth], 2)
        in_parallel(self.pay, [third, fourth], 2)
        last.person.call("DELETE", self.alerts)

    # What they do.

    def buy(self, buyer: Buyer, quantity: int = 1) -> None:
        person = buyer.person
        cart = person.call("POST", "/v1/carts")["id"]
        person.call("PUT", f"/v1/carts/{cart}/lines/{self.variant}", {"quantity": quantity})
        quote = person.call("POST", f"/v1/carts/{cart}/quote", {"address": buyer.address})
        wish = {"cart": cart, "address": buyer.address, "quote": quote["hash"]}
        buyer.orders.append(person.call("POST", "/v1/orders", wish))
        self.tally.count("orders of those in line")

    def pay(self, buyer: Buyer) -> None:
        path = f"/v1/orders/{buyer.orders[-1]['id']}"
        answer = self.market.world.confirm(buyer.person.call("POST", f"{path}/payments", {"gateway": "stripe"}))
        if answer.status != 200:
            raise Failure(f"the stand-in of stripe answered {answer.status}: {answer.body[:300]!r}")
        wait_until(lambda: buyer.person.call("GET", path)["state"] == "paid", "an order from the line to be paid", SETTLE_SECONDS, 1)

    def cancel(self, buyer: Buyer) -> None:
        buyer.person.call("POST", f"/v1/orders/{buyer.orders[-1]['id']}/cancel")

    def refusal(self, buyer: Buyer, method: str, path: str) -> tuple[int, str] | None:
        try:
            buyer.person.call(method, path)
        except Problem as problem:
            return problem.status, problem.code
        return None

    def refusal_to_order(self, buyer: Buyer, quantity: int = 1) -> str | None:
        try:
            self.buy(buyer, quantity)
        except Problem as problem:
            return problem.code
        return None

    def goes_to(self, next_one: Buyer) -> None:
        """A unit is held for the next in line, and for nobody else who has none yet."""
        wait_until(lambda: self.state(next_one) == "held", f"a unit to be held for {next_one.person.username}", SETTLE_SECONDS, 0.5)
        behind = self.waiting[self.waiting.index(next_one) + 1 :]
        self.note(f"those behind {next_one.person.username}", [self.state(one) for one in behind], ["waiting"] * len(behind))
        self.note("in line with a unit in hand", next_one.person.call("POST", self.alerts)["state"], "held")
        self.tally.count("units held for the next in line")

    def state(self, buyer: Buyer) -> str | None:
        own = (alert for alert in self.of(buyer) if alert["variant"] == self.variant)
        return next((alert["state"] for alert in own), None)

    def of(self, buyer: Buyer) -> list[Json]:
        found: list[Json] = buyer.person.call("GET", "/v1/alerts")["items"]
        return found

    # What must hold.

    def judge(self, checks: Checks) -> None:
        for what, found, wanted in self.found:
            checks.equal(what, found, wanted)
        for buyer in self.waiting:
            checks.equal(f"alerts of {buyer.person.username}", self.of(buyer), [])
        mails = [len(buyer.person.mails(SUBJECT)) for buyer in self.waiting]
        checks.equal("mails, one for each hold", mails, [1] * (IN_LINE - 1) + [0])
        bought = [sum(order["state"] == "paid" for order in buyer.orders) for buyer in self.buyers]
        checks.equal("who has a unit", bought, [0] * OWNERS + [1, 0, 1, 1, 0])
