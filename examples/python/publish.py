"""Publishes the event on standard input, a JSON object with type, id and data; needs only Python 3.

    echo '{"type": "product.changed.v1", "id": "erp-42", "data": {...}}' |
        python3 publish.py http://127.0.0.1:8000 inventory KEY erp

It repeats the request until it has an answer. The id makes that safe: the service publishes
an event once, however often it is sent.
"""
import json, sys, time, urllib.error, urllib.request

gateway, service, key, source = sys.argv[1:5]
event = {"specversion": "1.0", "source": source, **json.load(sys.stdin)}
request = urllib.request.Request(
    f"{gateway}/events/{service}", data=json.dumps(event).encode(),
    headers={"X-API-Key": key, "Content-Type": "application/cloudevents+json"})
while True:
    try:
        print(urllib.request.urlopen(request, timeout=30).read().decode())
        break
    except urllib.error.HTTPError as refusal:
        problem = json.load(refusal)
        if refusal.code < 500 and refusal.code != 429:
            fields = [f"{e['location']}: {e['message']}" for e in problem.get("errors", [])]
            sys.exit("\n".join([problem["detail"], *fields]))
    except OSError as failure:
        print(f"trying again: {failure}", file=sys.stderr)
    time.sleep(2)
