"""What becomes of the paid orders of the load proof: sent whole or in parts, delivered, sent back, cancelled, given back;
much of it at the same time and against each other."""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

from .client import Json, Person, Problem, wait_until
from .console import Failure
from .market import PASSWORD, SIGN_UPS, Buyer, Market, Tally, in_parallel

# The calls that are made at the same time.
AT_ONCE = 24
CLAIM_SECONDS = 120
# Guests who register afterwards.
CLAIMS = 5
CENTS_TO_WALLET = 100
# Refusals that are right when somebody else was faster.
TOO_LATE = ("order-state", "too-many-units", "refund-too-large", "conflict")


class Afterwards:
    """The seller and the buyers go through the orders that were paid, each to another end."""

    def __init__(self, market: Market, buyers: list[Buyer], tally: Tally) -> None:
        self.market, self.buyers, self.tally, self.seller = market, buyers, tally, market.seller
        self.parcels = itertools.count(1)

    def run(self) -> None:
        paid = [(buyer, order) for buyer in self.buyers for order in buyer.orders if order["state"] == "paid"]
        ends = itertools.cycle((
            self.sent_and_delivered, self.one_unit_refunded, self.sent_in_two_parcels, self.sent_back, self.cancelled_while_sent,
            self.refunded_by_two_at_once, self.to_the_wallet, self.left_alone,
        ))  # fmt: skip
        work = [(end, buyer, order) for end, (buyer, order) in zip(ends, paid)]  # noqa: B905
        in_parallel(lambda one: self.go(*one), work, AT_ONCE)
        guests = [buyer for buyer in self.buyers if buyer.is_guest and buyer.orders][:CLAIMS]
        in_parallel(self.claimed, guests, SIGN_UPS)

    def go(self, end: Callable[[Buyer, str, str, Json], None], buyer: Buyer, order: Json) -> None:
        self.tally.count(f"order {end.__name__.replace('_', ' ')}")
        path = f"/v1/orders/{order['id']}"
        end(buyer, path, f"{path}/parts/{order['parts'][0]['id']}", order)

    # Where an order may end.

    def sent_and_delivered(self, buyer: Buyer, path: str, part: str, order: Json) -> None:
        self.ship(part)
        buyer.person.call("POST", f"{part}/confirm-delivery")

    def one_unit_refunded(self, buyer: Buyer, path: str, part: str, order: Json) -> None:
        self.seller.call("POST", f"{path}/refunds", {"lines": [one_unit(order)]})

    def sent_in_two_parcels(self, buyer: Buyer, path: str, part: str, order: Json) -> None:
        """Both at once; an order of one unit is sent by whoever is first."""
        first, rest = partial(self.ship, part, [one_unit(order)]), partial(self.ship, part)
        self.at_once("a parcel", first, rest)

    def sent_back(self, buyer: Buyer, path: str, part: str, order: Json) -> None:
        """The seller says twice at once that it came; it is back in stock once, and refunded once."""
        self.sent_and_delivered(buyer, path, part, order)
        lines = [one_unit(order)]
        asked = buyer.person.call("POST", f"{path}/returns", {"lines": lines, "reason": "Too small"})["return"]["id"]
        self.seller.call("POST", f"/v1/returns/{asked}/approve")
        received = partial(self.seller.call, "POST", f"/v1/returns/{asked}/received", {"sellable": lines})
        self.at_once("a return received", received, received)

    def cancelled_while_sent(self, buyer: Buyer, path: str, part: str, order: Json) -> None:
        self.at_once("cancelling what is sent", partial(self.ship, part), partial(buyer.person.call, "POST", f"{path}/cancel"))

    def refunded_by_two_at_once(self, buyer: Buyer, path: str, part: str, order: Json) -> None:
        """Seller and staff give all of it back, each of them."""
        everything = {"amount": order["totals"]["total"], "part": order["parts"][0]["id"]}
        give = [partial(person.call, "POST", f"{path}/refunds", everything) for person in (self.seller, self.market.staff)]
        self.at_once("a refund of everything", *give)

    def to_the_wallet(self, buyer: Buyer, path: str, part: str, order: Json) -> None:
        """Guests have none."""
        some = {"amount": order["totals"]["total"] | {"amount": CENTS_TO_WALLET}, "destination": "wallet"}
        try:
            self.seller.call("POST", f"{path}/refunds", some)
            self.tally.count("given to a wallet")
        except Problem:
            if not buyer.is_guest:
                raise
            self.tally.count("wallet refused to a guest")

    def left_alone(self, buyer: Buyer, path: str, part: str, order: Json) -> None:
        """Paid, and not sent yet."""

    def claimed(self, guest: Buyer) -> None:
        """A guest registers; what they bought is the account's."""
        before = guest.person
        account = Person(self.market.world, before.email, before.username, PASSWORD).sign_up(CLAIM_SECONDS)
        wanted = {order["id"] for order in guest.orders}

        def own() -> bool:
            return wanted <= {order["id"] for order in account.call("GET", "/v1/orders?limit=100")["items"]}

        wait_until(own, "a guest's orders to be claimed", CLAIM_SECONDS, 1)
        guest.person = account
        self.tally.count("guests whose orders were claimed")

    # What they do.

    def ship(self, part: str, lines: list[Json] | None = None) -> Any:
        parcel: Json = {"carrier": "dhl", "tracking_number": f"P{next(self.parcels):08}"} | ({"lines": lines} if lines else {})
        return self.seller.call("POST", f"{part}/shipments", parcel)

    def at_once(self, what: str, *acts: Callable[[], Any]) -> None:
        """At least one of them succeeds, and the others are told that they were too late."""

        def act(do: Callable[[], Any]) -> bool:
            try:
                do()
            except Problem as problem:
                if problem.code not in TOO_LATE:
                    raise
                self.tally.count(f"{what}: {problem.code}")
                return False
            return True

        if not any(in_parallel(act, list(acts), len(acts))):
            raise Failure(f"{what}: nobody succeeded")


def one_unit(order: Json) -> Json:
    return {"variant": order["parts"][0]["lines"][0]["variant"], "quantity": 1}
