"""What must hold after the load proof, when everything is quiet."""

from collections import Counter
from collections.abc import Callable
from functools import partial

from . import wallets
from .client import Json, wait_until
from .market import Market, Tally
from .purchase import Checks, check_chain, movements

# How long movements may take to be recorded.
RECORDED_SECONDS = 600
# An order whose money came and stayed, or some of it.
PAID = ("paid", "partially_refunded", "completed", "refunded")


class Verdict:
    """All of it, about these orders as they are now."""

    def __init__(self, market: Market, orders: list[Json], tally: Tally, hot_sold: int) -> None:
        self.market, self.orders, self.tally, self.hot_sold = market, orders, tally, hot_sold
        self.checks = Checks()

    def reach(self, *more: tuple[str, Callable[[Checks], None]]) -> Checks:
        for title, chapter in (
            ("every unit is where it belongs, and none is sold twice", self.stock),
            ("every cent that came paid for something or went back", self.money),
            ("the coupon was used as often as it may be, and its uses came back", self.coupon),
            ("stock movements are unbroken", self.history),
            *((title, partial(judge, self.checks)) for title, judge in more),
            ("the books agree", self.books),
        ):
            self.checks.chapter(title, chapter)
        return self.checks

    def stock(self) -> None:
        self.checks.equal("hot units sold, before any came back", self.hot_sold, self.market.stocked[self.market.hot])
        sold, committed, gone = Counter[str](), Counter[str](), Counter[str]()
        for line in (line for order in self.orders if order["state"] in PAID for part in order["parts"] for line in part["lines"]):
            went = line.get("progress") or dict.fromkeys(("cancelled", "shipped", "returned"), 0)
            variant, kept = line["variant"], line["quantity"] - went["cancelled"]
            sold[variant] += kept
            committed[variant] += kept - went["shipped"]
            gone[variant] += went["shipped"] - went["returned"]
        for variant, stocked in self.market.stocked.items():
            found = self.market.seller_of(variant).stock(variant)
            counts = {name: found[name] for name in ("available", "reserved", "committed")}
            self.checks.equal(
                f"stock of {variant}", counts,
                {
                    "available": stocked - committed[variant] - gone[variant], "reserved": 0,
                    "committed": committed[variant],
                },
            )  # fmt: skip
            self.checks.that(f"{variant} is not sold more often than it is there", sold[variant] <= stocked + self.came_back(variant))

    def came_back(self, variant: str) -> int:
        """Units that could be sold again after they were returned."""
        lines = (line for order in self.orders for part in order["parts"] for line in part["lines"] if line["variant"] == variant)
        return sum(int((line.get("progress") or {}).get("returned", 0)) for line in lines)

    def money(self) -> None:
        left: Counter[str] = Counter()
        orders = {order["id"]: order for order in self.orders}
        for charge in wallets.charges(self.market.world, set(orders)):
            refunds = [one for one in orders[charge.order].get("refunds", []) if str(one["attempt"]) == charge.attempt]
            self.checks.equal(f"refunds that are not done of {charge.id}", {one["state"] for one in refunds} - {"succeeded"}, set())
            back = {to: sum(one["amount"]["amount"] for one in refunds if one["destination"] == to) for to in ("card", "wallet")}
            self.checks.equal(f"given back of {charge.id}", charge.back, back["card"])
            kept = charge.taken - back["card"] - back["wallet"]
            left[charge.order] += kept
            self.tally.count("charges kept" if kept == charge.taken else "charges refunded in part" if kept else "charges refunded in full")
        for order in self.orders:
            paid = order["state"] in PAID
            refunded = order.get("refunded", {"amount": 0})["amount"]
            due = order["totals"]["total"]["amount"] - refunded if paid else 0
            self.checks.equal(f"money kept for {order['id']}, {order['state']}", left[order["id"]], due)

    def coupon(self) -> None:
        found = next(one for one in self.market.staff.call("GET", "/v1/coupons?scope=marketplace")["items"] if one["code"] == self.market.coupon)
        alive = [order for order in self.orders if order.get("coupon") and counts(order)]
        spent = sum(order["coupon"]["discount"]["amount"] for order in alive)
        self.checks.equal("uses and what it took off", (found["uses"], found["spent"]["amount"]), (len(alive), spent))
        self.checks.that("no more than it may be used", len(alive) <= found["uses_max"])
        self.tally.counts["coupon: live uses"] = len(alive)

    def history(self) -> None:
        for variant, most in self.market.most.items():
            audit = wait_until(partial(self.recorded, variant), "every movement to be recorded", RECORDED_SECONDS, 1)
            self.checks.equal(f"broken histories of {variant}", (audit["broken"], audit["clean"]), ([], True))
            self.tally.counts["stock movements"] += audit["movements"]
            # Over several shards there are as many chains; the audit above walked them.
            if variant != self.market.spread:
                chain = movements(self.market.seller_of(variant), variant)
                check_chain(self.checks, chain)
                highest = max(sum(movement["after"].values()) for movement in chain)
                self.checks.equal(f"units on hand of {variant}, at most", highest, most)

    def recorded(self, variant: str) -> Json | None:
        audit: Json = self.market.staff.call("GET", f"/v1/admin/inventory/{variant}/movements")
        return None if audit["behind"] else audit

    def books(self) -> None:
        found = self.market.staff.call("GET", "/v1/admin/invariants")
        self.checks.equal("findings", (found["problems"], found["clean"]), ([], True))
        self.tally.counts["ledger transactions"] = found["ledger_transactions"]


def counts(order: Json) -> bool:
    """Whether an order still uses its coupon: it was not cancelled, and something of it was sent or will be."""
    lines = [line for part in order["parts"] for line in part["lines"]]
    all_cancelled = all((line.get("progress") or {}).get("cancelled", 0) == line["quantity"] for line in lines)
    return order["state"] != "cancelled" and not all_cancelled
