"""Hundreds of concurrent buyers for a few units, on the deployed stack, and what must hold afterwards."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from . import wallets
from .afterwards import Afterwards
from .client import Answer, Json, Problem, World, wait_until
from .console import Failure, say, step
from .deploy import STRIPE_SECRET_KEY, Stack
from .market import SIGN_UPS, Buyer, Market, Tally, in_parallel, prepare_buyers, prepare_market, quantities
from .parcels import Parcels
from .purchase import queued
from .tables import Tables
from .verdict import Verdict
from .waiting import Line

BUYERS = 500
UNITS = 25
# How long an order may stay unpaid. Short, so that some expire while the others still buy.
EXPIRY_SECONDS = 90
ROUNDS_MAX = 12
SETTLE_SECONDS = 600
# Every so many-th buyer uses the coupon, which is for fewer than that.
COUPON_EVERY = 3
# What is between a table and a queue shows in no count, so all must have been quiet for so long.
QUIET_SECONDS = 6
# Each event is delivered so many times in parallel, each copy up to so much later.
COPIES = 3
SPREAD_MS = 400
# Nobody asks carriers what they told in vain, so they try for minutes.
CARRIER_TRIES_MAX = 40
# How buyers pay, in turn.
GATEWAYS = ("stripe", "chapa", "paypal", "stripe_checkout")
WEATHER_SEED = 1
# The first cancellations take effect late at the provider, so that a buyer can be faster.
CANCELS_DELAYED = 20
CANCEL_DELAY_MS = 1_500
# What winners do, in turn. Most pay.
BEHAVIOURS = (
    "pays", "pays", "pays twice", "pays", "cancels, then pays", "pays", "is declined, then pays", "never pays",
    "pays", "pays a second attempt", "pays", "expires, then pays", "pays", "pays, then cancels", "pays", "pays otherwise",
)  # fmt: skip


class Turns(Iterator[str]):
    """One after the other, over and over, for many threads."""

    def __init__(self, what: tuple[str, ...]) -> None:
        self._cycle, self._lock = itertools.cycle(what), threading.Lock()

    def __next__(self) -> str:
        with self._lock:
            return next(self._cycle)


class Crowd:
    """Buyers that all act at once."""

    def __init__(self, market: Market, buyers: list[Buyer], tally: Tally) -> None:
        self.market, self.buyers, self.tally = market, buyers, tally
        self.world = market.world
        # What winners do, and how they pay, in turn.
        self.behaviours, self.gateways = Turns(BEHAVIOURS), Turns(GATEWAYS)

    def basket(self, buyer: Buyer) -> dict[str, int]:
        """The hot variant and up to three others, different for each buyer but the same in each run."""
        others = self.market.others
        chosen = {others[(buyer.number + step) % len(others)]: 1 + (buyer.number + step) % 2 for step in range(buyer.number % 4)}
        return {self.market.hot: 1} | chosen

    def rush(self) -> None:
        """Everybody fills a cart, waits for the others, and orders at the same moment."""
        gate = threading.Barrier(len(self.buyers))

        def act(buyer: Buyer) -> None:
            try:
                wish = self.fill(buyer, self.basket(buyer))
            except BaseException:
                gate.abort()
                raise
            try:
                gate.wait(SETTLE_SECONDS)
            except threading.BrokenBarrierError:
                return  # another one failed, and says why
            self.order(buyer, wish)

        in_parallel(act, self.buyers, len(self.buyers))

    def again(self) -> None:
        """Those who got none of the hot variant try once more."""
        losers = [buyer for buyer in self.buyers if not buyer.has_hot]

        def act(buyer: Buyer) -> None:
            try:
                wish = self.fill(buyer, {self.market.hot: 1})
            except Problem as problem:
                if problem.code != "insufficient-stock":
                    raise
                return
            self.order(buyer, wish)

        if losers:
            in_parallel(act, losers, len(losers))

    def fill(self, buyer: Buyer, basket: dict[str, int]) -> Json:
        """A cart with a quote. Scarce goods may run out before they are in it."""
        cart = buyer.person.call("POST", "/v1/carts")["id"]
        for variant, quantity in basket.items():
            try:
                self.call(buyer, "cart line", "PUT", f"/v1/carts/{cart}/lines/{variant}", {"quantity": quantity})
            except Problem as problem:
                if problem.code != "insufficient-stock" or variant == self.market.hot:
                    raise
        if buyer.number % COUPON_EVERY == 0:
            self.with_coupon(buyer, cart)
        return self.quoted(buyer, cart)

    def with_coupon(self, buyer: Buyer, cart: str) -> None:
        try:
            self.call(buyer, "coupon", "PUT", f"/v1/carts/{cart}/coupon", {"code": self.market.coupon})
        except Problem as problem:
            if not problem.code.startswith("coupon-"):
                raise
            self.tally.count(f"coupon: {problem.code.removeprefix('coupon-')} in the cart")

    def quoted(self, buyer: Buyer, cart: str) -> Json:
        quote = self.call(buyer, "quote", "POST", f"/v1/carts/{cart}/quote", {"address": buyer.address})
        return {"cart": cart, "address": buyer.address, "quote": quote["hash"]}

    def call(self, buyer: Buyer, what: str, method: str, path: str, body: Any = None) -> Any:
        return self.tally.timed(what, lambda: buyer.person.call(method, path, body))

    def order(self, buyer: Buyer, wish: Json) -> None:
        """Orders, without what has run out, and pays."""
        while True:
            try:
                order = self.call(buyer, "order", "POST", "/v1/orders", wish)
                break
            except Problem as problem:
                self.tally.count(f"orders refused: {problem.code}")
                if problem.code == "insufficient-stock":
                    if not self.drop(buyer, wish["cart"], problem):
                        return
                    wish = self.quoted(buyer, wish["cart"])
                elif problem.code == "buyer-limit":
                    line = f"/v1/carts/{wish['cart']}/lines/{problem.document['variant']}"
                    self.call(buyer, "cart line", "PUT", line, {"quantity": problem.document["limit"] - problem.document["bought"]})
                    wish = self.quoted(buyer, wish["cart"])
                elif problem.code.startswith("coupon-"):
                    self.call(buyer, "coupon", "DELETE", f"/v1/carts/{wish['cart']}/coupon")
                    wish = self.quoted(buyer, wish["cart"])
                elif problem.code == "quote-changed":
                    wish = wish | {"quote": problem.document["quote"]["hash"]}
                else:
                    raise
        self.tally.count("orders placed")
        buyer.orders.append(order)
        buyer.has_hot = buyer.has_hot or self.market.hot in quantities(order)
        behaviour = next(self.behaviours)
        self.tally.count(f"buyer {behaviour}")
        self.behave(buyer, order, behaviour)

    def drop(self, buyer: Buyer, cart: str, problem: Problem) -> bool:
        """Takes what is short out of the cart; whether anything is left."""
        left: Json = {}
        for shortage in problem.document["shortages"]:
            left = self.call(buyer, "cart line", "DELETE", f"/v1/carts/{cart}/lines/{shortage['variant']}")
        return bool(left["lines"])

    def behave(self, buyer: Buyer, order: Json, behaviour: str) -> None:
        """Each kind of buyer, down to those who try to pay what they have given up."""
        path, gateway = f"/v1/orders/{order['id']}", next(self.gateways)
        payment = self.start(buyer, path, gateway)
        if payment is None or behaviour == "never pays":
            return
        pay = partial(self.pay, buyer, gateway, order, payment)
        if behaviour == "is declined, then pays":
            self.counted(gateway, "declined", wallets.decline(self.world, gateway, payment))
        if behaviour == "cancels, then pays":
            self.cancel(buyer, path)
        if behaviour == "expires, then pays":
            wait_until(
                lambda: buyer.person.call("GET", path)["state"] != "awaiting_payment", "an order to expire", SETTLE_SECONDS, 1
            )
        if behaviour == "pays otherwise":
            other = next(self.gateways)
            another = self.start(buyer, path, other)
            if another is not None:
                self.pay(buyer, other, order, another)
        if behaviour == "pays twice":
            in_parallel(lambda _: pay(), [1, 2], 2)
        else:
            pay()
        if behaviour == "pays a second attempt":
            self.pay_again(order)
        if behaviour == "pays, then cancels":
            self.cancel(buyer, path)

    def start(self, buyer: Buyer, path: str, gateway: str) -> Json | None:
        """An attempt, unless the order has ended or the buyer's own message is on its way."""
        try:
            payment: Json = self.call(buyer, "payment", "POST", f"{path}/payments", {"gateway": gateway})
        except Problem as problem:
            if problem.code not in ("order-state", "payment-in-progress"):
                raise
            self.tally.count(f"payments not started: {problem.code}")
            return None
        return payment

    def pay(self, buyer: Buyer, gateway: str, order: Json, payment: Json) -> None:
        paying = partial(wallets.pay, self.world, buyer.person, gateway, order["id"], payment)
        self.counted(gateway, "agreed", self.tally.timed(f"at {gateway}", paying))

    def counted(self, gateway: str, what: str, answer: Answer) -> None:
        """A provider refuses what comes too late, or again."""
        if answer.status not in (200, 400, 402, 404, 409, 422):
            raise Failure(f"the stand-in of {gateway} answered {answer.status}: {answer.body[:300]!r}")
        outcome = {200: what, 402: "declined"}.get(answer.status, "refused: too late, or again")
        self.tally.count(f"{gateway}: {outcome}")

    def cancel(self, buyer: Buyer, path: str) -> None:
        """The webhook or the sweep may be faster."""
        try:
            self.call(buyer, "cancellation", "POST", f"{path}/cancel")
        except Problem as problem:
            if problem.code != "order-state":
                raise

    def pay_again(self, order: Json) -> None:
        """A second payment that the marketplace made and forgot, for the same order."""
        answer = self.world.stripe("/payment_intents", {
            "amount": str(order["totals"]["total"]["amount"]), "currency": "usd", "confirm": "true",
            "payment_method": "pm_card_visa", "metadata[order_id]": order["id"], "metadata[attempt]": "2",
        }, STRIPE_SECRET_KEY)  # fmt: skip
        if answer.status != 200:
            raise Failure(f"the stand-in answered {answer.status}: {answer.body[:300]!r}")
        self.tally.count("stripe: agreed")

    def sell_out(self, counted: Callable[[], None]) -> int:
        """Round after round, until nothing of the hot variant is free or held; answers how many it took. The last units are
        found when the seller has `counted`."""
        self.rush()
        counted()
        for number in range(1, ROUNDS_MAX + 1):
            settle(self.world)
            wait_until(lambda: self.held() == 0, "unpaid orders to be released", SETTLE_SECONDS, 1)
            settle(self.world)
            if self.market.seller.stock(self.market.hot)["available"] == 0:
                return number
            # Enough odd buyers have been there; from here on everybody pays at once.
            self.behaviours = Turns(("pays",))
            self.again()
        raise Failure(f"the {self.market.stocked[self.market.hot]} units were not sold in {ROUNDS_MAX} rounds")

    def held(self) -> int:
        return int(self.market.seller.stock(self.market.hot)["reserved"])


def settle(world: World) -> None:
    """Waits until no webhook, message or refund is under way."""
    quiet_since = [time.monotonic()]

    def quiet() -> bool:
        if not wallets.settled(world) or pending(world):
            quiet_since[0] = time.monotonic()
        return time.monotonic() - quiet_since[0] >= QUIET_SECONDS

    wait_until(quiet, "webhooks and queues to become quiet", SETTLE_SECONDS, 0.5)


def pending(world: World) -> int:
    """Messages in queues that are worked on; dead letters are a failure."""
    counts = queued(world)
    dead = {name: count for name, count in counts.items() if count and ("Dead" in name or "Failures" in name)}
    if dead:
        raise Failure(f"there are dead letters: {dead}")
    return sum(counts.values())


def table(rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"    {name:<{width}}  {value:>12}" if name else "" for name, value in rows)


def report(market: Market, buyers: list[Buyer], orders: list[Json], tally: Tally, rounds: int, seconds: float) -> str:
    states = Counter(order["state"] for order in orders)
    calls = market.world.api.calls
    rows = [
        ("buyers", str(len(buyers))), ("units everybody wanted", str(market.stocked[market.hot])),
        ("rounds until sold out", str(rounds)), ("seconds", f"{seconds:.0f}"), ("", ""),
        *((name, str(count)) for name, count in sorted(tally.counts.items())), ("", ""),
        *((f"orders now {state}", str(count)) for state, count in sorted(states.items())), ("", ""),
        *((f"API: {name}", str(count)) for name, count in sorted(calls.items())),
    ]  # fmt: skip
    text = table(rows) + "\n\n    " + f"{'call':<14}{'count':>8}{'median ms':>11}{'p99 ms':>9}{'worst ms':>10}"
    for name, found in sorted(tally.seconds.items()):
        found.sort()
        at = [found[len(found) // 2], found[min(len(found) - 1, len(found) * 99 // 100)], found[-1]]
        text += f"\n    {name:<14}{len(found):>8}{at[0] * 1000:>11.0f}{at[1] * 1000:>9.0f}{at[2] * 1000:>10.0f}"
    return text


def run(stack: Stack, buyers: int = BUYERS, units: int = UNITS) -> None:
    """The whole proof; fails when something does not hold."""
    world, tally = World.of(stack), Tally()
    for provider in wallets.STAND_INS:
        world.control(f"/{provider}/webhook", {"copies": COPIES, "spread_ms": SPREAD_MS})
    world.control("/shippo/webhook", {"tries_max": CARRIER_TRIES_MAX})
    with step(f"preparing a market and {buyers} buyers"):
        market = prepare_market(world, units, buyers)
        crowd = prepare_buyers(world, buyers)
        parcels, tables, line = Parcels(market, tally), Tables(market, tally), Line(market, tally)
        parcels.order()
        line.come()
    world.control("/stripe/faults", {"operation": "cancel_intent", "delay_ms": CANCEL_DELAY_MS, "times": CANCELS_DELAYED})
    started = time.monotonic()
    with step(f"{buyers} buyers at once for {units} units; most pay, some twice, some late; webhooks {COPIES} times; faults"):
        with wallets.bad_weather(world, WEATHER_SEED, buyers) as faults, beside(tables.run, parcels.run, line.run) as (counted, *told):
            rounds = Crowd(market, crowd, tally).sell_out(counted)
            for end in told:
                end()
        tally.counts.update({f"faults at {gateway}": count for gateway, count in faults.items()})
        finish([*crowd, *parcels.buyers, *line.buyers])
    paid = [quantities(order) for buyer in crowd for order in buyer.orders if order["state"] == "paid"]
    hot_sold = sum(bought.get(market.hot, 0) for bought in paid)
    with step("the seller sends, buyers send back, cancel and claim, money goes back; much of it at the same time"):
        with wallets.bad_weather(world, WEATHER_SEED + 1, buyers) as faults:
            Afterwards(market, crowd, tally).run()
            settle(world)
        tally.counts.update({f"faults at {gateway}": count for gateway, count in faults.items()})
        finish(crowd)
    seconds = time.monotonic() - started
    orders = [order for buyer in (*crowd, *parcels.buyers, *line.buyers) for order in buyer.orders]
    checks = Verdict(market, orders, tally, hot_sold).reach(
        ("each row of a table was carried out once, and the counts are the units", tables.judge),
        ("every label that was sold is in an order, once, and every parcel arrived", parcels.judge),
        ("what comes back goes to those who wait for it, in the order in which they came", line.judge),
    )
    say(f"\n{report(market, crowd, orders, tally, rounds, seconds)}\n")
    say(f"    {checks.passed} passed, {checks.failed} failed")
    if checks.failed:
        raise Failure("the proof failed")


@contextmanager
def beside(*stories: Callable[[], None]) -> Iterator[list[Callable[[], None]]]:
    """Tells stories while something else goes on; with each comes what waits for its end, and says why it failed."""
    pool = ThreadPoolExecutor(len(stories))
    try:
        yield [pool.submit(story).result for story in stories]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def finish(crowd: list[Buyer]) -> None:
    wait_until(lambda: not unfinished(crowd), "every order and refund to be finished", SETTLE_SECONDS, 2)
    in_parallel(refreshed, crowd, SIGN_UPS)


def refreshed(buyer: Buyer) -> list[Json]:
    buyer.orders = [buyer.person.call("GET", f"/v1/orders/{order['id']}") for order in buyer.orders]
    return buyer.orders


def unfinished(crowd: list[Buyer]) -> int:
    """Orders that wait for money, or for money to go back. Looks only at those that were not finished before."""

    def open_still(order: Json) -> bool:
        return order["state"] == "awaiting_payment" or any(p["state"] == "refund_pending" for p in order["payments"])

    waiting = [buyer for buyer in crowd if any(open_still(order) for order in buyer.orders)]
    return sum(open_still(order) for buyer in waiting for order in refreshed(buyer))
