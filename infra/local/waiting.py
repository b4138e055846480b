"""What becomes of the units of a variant that was sold out: they go to those who wait for it, one after the other."""

import uuid
from dataclasses import dataclass, field
from functools import partial

from .client import Json, Problem, World, wait_until
from .console import Failure
from .market import Buyer, Market, Tally, in_parallel, prepare_buyers
from .purchase import Checks

# Those who have the units first, and those who get one after the other of them, but for the last one.
OWNERS, IN_LINE = 2, 6
PRICE = 4_900
SUBJECT = "back in stock"
# An order expires within two minutes, and a hold is made within some seconds.
SETTLE_SECONDS = 600


@dataclass
class Line:
    """People who wait for a variant, in the order in which they came."""

    market: Market
    tally: Tally
    world: World = field(init=False)
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
        """Before the sale: a variant of which all that there is is sold, and those who want it."""
        category = self.market.staff.call("POST", "/v1/categories", {"name": f"Few {uuid.uuid4().hex[:6]}"})["id"]
        self.variant = self.market.seller.list_product(category, "A lamp of which there are few", PRICE, [OWNERS])[0]
        self.market.stocked[self.variant] = self.market.most[self.variant] = OWNERS
        # A hold does not wait, so their calls do not queue with those of the crowd.
        self.world = World.of(self.market.world.stack)
        people = prepare_buyers(self.world, OWNERS + IN_LINE + 1, with_guests=False)
        self.owners, self.waiting, self.outsider = people[:OWNERS], people[OWNERS:-1], people[-1]
        self.note("in line while there are some", self.refusal_to_wait(self.outsider), "in-stock")
        in_parallel(self.buy_and_pay, self.owners, OWNERS)

    def note(self, what: str, found: object, wanted: object) -> None:
        self.found.append((what, found, wanted))

    def run(self) -> None:
        """Unit by unit comes back, because orders are cancelled, expire, or somebody does not want it any more."""
        first, leaver, third, fourth, fifth, last = self.waiting
        for buyer in self.waiting:
            # Twice at once: they stand in line once.
            answers = in_parallel(lambda _, who=buyer: who.person.call("POST", self.alerts), [1, 2], 2)
            self.note("in line", [answer["state"] for answer in answers], ["waiting"] * 2)
        self.note("in line again", first.person.call("POST", self.alerts)["state"], "waiting")
        in_parallel(self.cancel, self.owners, OWNERS)
        self.goes_to(first, leaver)
        for other in (third, last, self.outsider):
            self.note("a held unit, to somebody else", other and self.refusal_to_order(other), "insufficient-stock")
        self.note("two units, to whom one is held for", self.refusal_to_order(first, 2), "insufficient-stock")
        in_parallel(lambda act: act(), [partial(self.buy_and_pay, first), partial(self.leave, leaver)], 2)
        self.goes_to(third)
        self.buy(third)
        self.cancel(third)
        self.goes_to(fourth)
        self.buy(fourth)
        # Nobody pays that, so it expires.
        self.goes_to(fifth)
        self.buy_and_pay(fifth)
        self.leave(last)

    # What they do.

    def buy(self, buyer: Buyer, quantity: int = 1) -> None:
        person = buyer.person
        cart = person.call("POST", "/v1/carts")["id"]
        person.call("PUT", f"/v1/carts/{cart}/lines/{self.variant}", {"quantity": quantity})
        quote = person.call("POST", f"/v1/carts/{cart}/quote", {"address": buyer.address})
        wish = {"cart": cart, "address": buyer.address, "quote": quote["hash"]}
        buyer.orders.append(person.call("POST", "/v1/orders", wish))
        self.tally.count("orders of those in line")

    def buy_and_pay(self, buyer: Buyer) -> None:
        self.buy(buyer)
        path = f"/v1/orders/{buyer.orders[-1]['id']}"
        answer = self.world.confirm(buyer.person.call("POST", f"{path}/payments", {"gateway": "stripe"}))
        if answer.status != 200:
            raise Failure(f"the stand-in of stripe answered {answer.status}: {answer.body[:300]!r}")
        wait_until(lambda: buyer.person.call("GET", path)["state"] == "paid", "an order from the line to be paid", SETTLE_SECONDS, 1)

    def leave(self, buyer: Buyer) -> None:
        """Twice: nobody leaves twice."""
        in_parallel(lambda _: buyer.person.call("DELETE", self.alerts), [1, 2], 2)

    def cancel(self, buyer: Buyer) -> None:
        buyer.person.call("POST", f"/v1/orders/{buyer.orders[-1]['id']}/cancel")

    def refusal_to_wait(self, buyer: Buyer) -> str | None:
        try:
            buyer.person.call("POST", self.alerts)
        except Problem as problem:
            return problem.code
        return None

    def refusal_to_order(self, buyer: Buyer, quantity: int = 1) -> str | None:
        try:
            self.buy(buyer, quantity)
        except Problem as problem:
            return problem.code
        return None

    def goes_to(self, *next_ones: Buyer) -> None:
        """Units are held for the next in line, and for nobody behind them."""
        for buyer in next_ones:
            name = buyer.person.username
            wait_until(lambda who=buyer: self.state(who) == "held", f"a unit to be held for {name}", SETTLE_SECONDS, 0.5)
            # Nobody is written to of what they have ordered already, or did not want any more.
            wait_until(lambda who=buyer: who.person.mails(SUBJECT), f"a mail to {name}", SETTLE_SECONDS, 0.5)
            self.note(f"in line with a unit in hand, {name}", buyer.person.call("POST", self.alerts)["state"], "held")
            self.tally.count("units held for the next in line")
        behind = self.waiting[self.waiting.index(next_ones[-1]) + 1 :]
        self.note("those behind", [self.state(one) for one in behind], ["waiting"] * len(behind))

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
        checks.equal("who has a unit", bought, [0] * OWNERS + [1, 0, 0, 0, 1, 0])
