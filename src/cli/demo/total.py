#!/usr/bin/env python3
"""total: adds up the prices of a basket. Shows that a handler finds what lies beside it in the repository."""

import json
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "..", "data", "prices.json"), encoding="utf-8") as file:
    prices = json.load(file)

basket = json.load(sys.stdin)["spec"]["basket"]
total = sum(prices[name] for name in basket)
for name in basket:
    print(f"{name:10} {prices[name]:6.2f}")
print(f"{'total':10} {total:6.2f}")

with open(os.environ["DISPATCH_RESULT"], "w", encoding="utf-8") as file:
    json.dump({"total": round(total, 2)}, file)
with open(os.path.join(sys.argv[2], "receipt.txt"), "w", encoding="utf-8") as file:
    file.write(f"{len(basket)} things, {total:.2f}\n")
