"""Counts of the warehouse that the seller sends as a table, in the middle of the sale, and sends again."""

import csv
import io
from collections import Counter
from dataclasses import dataclass, field

from .client import Json, Person, by_link, every, wait_until
from .console import Failure
from .market import Market, Tally, in_parallel
from .purchase import Checks

# As long as a crowd may be in the way.
TABLE_SECONDS = 600
# A row that was too slow for all the orders is sent again some seconds later.
PAUSE_SECONDS = 5
# How many more, or fewer, are found of what is being sold: of what everybody wants, of what is spread over shards, of what
# there is plenty, of what is scarce.
FOUND = (3, 7, -10, -4)
# Rows that are refused, and why.
BAD_ROWS = (
    ("no-such-thing", "1", "sku-unknown"), ("", "1", "sku-missing"), ("{hot}", "0", "sku-twice"), ("odd", "-1", "quantity-out-of-range"),
    ("odd-as-well", "a few", "quantity-invalid"),
)  # fmt: skip
# What a row may come to when orders move what it counts: they were always faster, or hold more than that.
LATER = "keeps-moving"
MAY_BE_REFUSED = (LATER, "below-held")


@dataclass
class Tables:
    """The tables that were sent, and what each of their rows came to."""

    market: Market
    tally: Tally
    # By article number, which is the variant's id.
    counts: dict[str, int] = field(default_factory=dict)
    # For each table that was sent, its rows in their order and the import as it ended.
    sent: list[tuple[list[tuple[str, str]], Json]] = field(default_factory=list)

    def run(self) -> None:
        """While the crowd buys: everything is counted, by a file whose message comes twice; then the same file again."""
        sold = (self.market.hot, self.market.spread, *self.market.others[1::2])
        self.counts = {variant: 10 + number % 7 for number, variant in enumerate(self.market.side)}
        for variant, more in zip(sold, FOUND, strict=True):
            self.counts[variant] = self.market.stocked[variant] + more
        rows = [(sku, str(count)) for sku, count in self.counts.items()]
        rows += [(sku.format(hot=self.market.hot), count) for sku, count, _ in BAD_ROWS]
        for _ in range(2):
            self.send(rows)
        wait_until(self.all_counted, "every row to be counted", TABLE_SECONDS, PAUSE_SECONDS)
        self.remember()

    def send(self, rows: list[tuple[str, str]]) -> None:
        """One file, uploaded twice at the same time, so that two messages start the same work."""
        seller = self.market.seller
        table = "sku,quantity,reason\n" + "".join(f"{sku},{count},counted again\n" for sku, count in rows)
        made = seller.call("POST", "/v1/inventory/imports", {"bytes": len(table)})
        for answer in in_parallel(lambda _: by_link("PUT", made["upload"]["url"], table.encode()), [1, 2], 2):
            if answer.status != 200:
                raise Failure(f"an upload was answered {answer.status}: {answer.body[:300]!r}")
        path = f"/v1/inventory/imports/{made['id']}"
        done = wait_until(lambda: ended(seller, path), "a table to be carried out", TABLE_SECONDS, 0.5)
        done["items"] = pages(seller, path)
        self.sent.append((rows, done))
        self.tally.count("tables of counts")
        for item in done["items"]:
            self.tally.count(f"rows of tables: {item['outcome']}" + (f", {item['code']}" if item.get("code") else ""))

    def all_counted(self) -> bool:
        again = self.refused_for_now()
        if again:
            self.send([(sku, str(self.counts[sku])) for sku in again])
        return not self.refused_for_now()

    def applied(self) -> dict[str, list[Json]]:
        """For each article number, the rows that changed its stock."""
        found: dict[str, list[Json]] = {}
        for _, done in self.sent:
            for item in done["items"]:
                if item["outcome"] == "applied":
                    found.setdefault(item["sku"], []).append(item)
        return found

    def refused_for_now(self) -> list[str]:
        """What was never counted, because orders were always faster."""
        settled = {item["sku"] for _, done in self.sent for item in done["items"] if item["outcome"] in ("applied", "unchanged")}
        _, last = self.sent[-1]
        return [item["sku"] for item in last["items"] if item.get("code") == LATER and item["sku"] not in settled]

    def remember(self) -> None:
        """What the last judge has to know: how many there are now, and how many there were at most."""
        for sku, items in self.applied().items():
            if sku in self.market.stocked:
                self.market.most[sku] = max(self.market.most[sku], *(item["after"] for item in items))
                self.market.stocked[sku] = items[-1]["after"]

    # What must hold.

    def judge(self, checks: Checks) -> None:
        for rows, done in self.sent:
            self.judge_table(checks, rows, done)
        applied = self.applied()
        for sku, items in applied.items():
            checks.equal(f"rows that changed the stock of {sku}", len(items), 1)
            checks.equal(f"what it was changed to, {sku}", items[0]["after"], self.counts[sku])
        checks.equal("side variants that were counted", [sku for sku in self.market.side if sku not in applied], [])
        checks.that("what everybody wanted was counted", self.market.hot in applied)
        self.judge_stock(checks)

    def judge_table(self, checks: Checks, rows: list[tuple[str, str]], done: Json) -> None:
        """Every row has one result, in its place."""
        name, items, good = done["id"], done["items"], sum(sku in self.counts for sku, _ in rows)
        ends = (done["state"], done["rows"], done["position"])
        checks.equal(f"how {name} ended", ends, ("done", len(rows), len(rows)))
        places = [(line, sku) for line, (sku, _) in enumerate(rows, 2)]
        checks.equal(f"results of {name}", [(item["line"], item["sku"]) for item in items], places)
        sums = Counter({outcome: done[outcome] for outcome in ("applied", "unchanged", "refused")})
        checks.equal(f"sums of {name}", sums, Counter(item["outcome"] for item in items))
        bad = [item["code"] for item in items if item["outcome"] == "refused" and item["code"] not in MAY_BE_REFUSED]
        checks.equal(f"bad rows of {name}", bad, [code for _, _, code in BAD_ROWS] if len(rows) > good else [])
        late = {item["sku"] for item in items if item["outcome"] == "refused" and item["code"] in MAY_BE_REFUSED}
        checks.that(f"rows of {name} that are refused for the sale: {late}", late <= set(self.market.stocked))

    def judge_stock(self, checks: Checks) -> None:
        """What the seller is shown, and takes home, is what was counted; each variant changed once."""
        seller, side = self.market.seller, set(self.market.side)
        stock = {item["variant"]: item for item in every(seller, "/v1/inventory?limit=25")}
        shown = {variant: (stock[variant]["on_hand"], stock[variant]["version"]) for variant in side}
        checks.equal("side variants, and how often they changed", shown, {variant: (self.counts[variant], 2) for variant in side})
        export = seller.call("GET", "/v1/inventory/export")
        table = csv.DictReader(io.StringIO(by_link("GET", export["url"]).body.decode()))
        taken_home = {row["sku"]: int(row["quantity"]) for row in table}
        # Units of the variant that is spread may be on their way from one shard to another while they are read.
        del taken_home[self.market.spread], stock[self.market.spread]
        checks.equal("what is taken home", taken_home, {variant: item["on_hand"] for variant, item in stock.items()})


def ended(seller: Person, path: str) -> Json | None:
    found: Json = seller.call("GET", f"{path}?limit=1")
    return found if found["state"] in ("done", "failed") else None


def pages(seller: Person, path: str) -> list[Json]:
    return every(seller, f"{path}?limit=100")
