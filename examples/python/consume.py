"""Consumes the events of one service, each at least once and in order; needs only Python 3.

    python3 consume.py http://127.0.0.1:8000 orders KEY cursor.txt

The cursor is stored after the events are handled: what was handled before a crash comes
again, so handle an event by its id. Handle both in one transaction to have each event once.
"""
import json, os, sys, time, urllib.error, urllib.request

gateway, service, key, cursor_file = sys.argv[1:5]
cursor = int(open(cursor_file).read()) if os.path.exists(cursor_file) else 0


def handle(event):
    print(event["type"], event["id"], json.dumps(event["data"]), flush=True)


while True:
    request = urllib.request.Request(
        f"{gateway}/events/{service}?after={cursor}&wait=20", headers={"X-API-Key": key})
    try:
        page = json.load(urllib.request.urlopen(request, timeout=40))
    except urllib.error.HTTPError as refusal:
        if refusal.code < 500 and refusal.code != 429:
            sys.exit(json.load(refusal)["detail"])  # for example: the cursor is too old
        time.sleep(2)
        continue
    except OSError:  # the gateway cannot be reached
        time.sleep(2)
        continue
    for event in page["events"]:
        handle(event)
    cursor = page["next"]
    with open(cursor_file + ".new", "w") as f:
        f.write(str(cursor))
    os.replace(cursor_file + ".new", cursor_file)
