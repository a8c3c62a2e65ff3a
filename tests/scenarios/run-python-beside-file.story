A Python handler finds data beside its own file, reads the request from its standard input, and its JSON result stands in the record.
--- file handlers/index.yml
price: handlers/price.py
--- file handlers/price.py
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
prices = json.load(open(os.path.join(here, "..", "data", "prices.json")))
request = json.load(sys.stdin)
fruit = request["spec"]["fruit"]
with open(os.environ["DISPATCH_RESULT"], "w") as result:
    json.dump({"fruit": fruit, "price": prices[fruit]}, result)
--- file data/prices.json
{"apple": 3}
--- file requests/buy.yml
kind: price
spec: {fruit: apple}
--- run
dispatch run
--- content logs/buy/status.yml status outcome exit_code result
status: success
outcome: succeeded
exit_code: 0
result:
  fruit: apple
  price: 3
