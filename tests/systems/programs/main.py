"""The job that collects rates: writes a rate per currency, tells the broker, and ends.  argument: single."""

import asyncio
import json
import os
import sys
import time

import stores
import systems

RATES = {"USD": 1390.0, "JPY": 9.4, "EUR": 1455.0, "GBP": 1680.0, "CNY": 192.0}


async def collect():
    store = stores.open_store("mysql")
    swing = 1 + (int(time.time()) // 60 % 21 - 10) / 1000
    for code, rate in RATES.items():
        await systems.insert_rate(store, code, round(rate * swing, 4), "ingestor")
    await store.query("INSERT INTO collection_logs (correlation_id, source, status, currency_count, collected_at) "
                      "VALUES (%s, 'ingestor', 'SUCCESS', %s, NOW())", (os.environ.get("HOSTNAME", ""), len(RATES)))
    if os.environ.get("REDIS_HOST"):
        await stores.Redis(os.environ["REDIS_HOST"], int(os.environ.get("REDIS_PORT", 6379))).ask("DEL", "latest")
    broker = systems.kafka_of(os.environ)
    if broker:
        try:
            await stores.Lines(*broker).ask(op="produce", topic="rates", value=json.dumps(RATES))
        except ConnectionError as e:
            print(e, flush=True)
    print(f"{len(RATES)} rates written", flush=True)


if sys.argv[1:] != ["single"]:
    sys.exit(f"main.py: unknown mode {sys.argv[1:]}")
asyncio.run(collect())
os._exit(0)
