"""A monolith as small as possible, in the form of a Django project: models, views, URLs.

It needs Python 3.8 or later and nothing else:  python3 examples/monolith/shop.py
docs/TUTORIAL.md replaces it by services, one step after the other.
"""
import json
import os
import re
import sqlite3
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DATABASE = os.environ.get("MONOLITH_DATABASE", "shop.db")
HOST, PORT = os.environ.get("MONOLITH_LISTEN", "127.0.0.1:9000").rsplit(":", 1)

# models.py

SCHEMA = """
CREATE TABLE IF NOT EXISTS customers (id TEXT PRIMARY KEY, email TEXT NOT NULL, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT, customer_id TEXT NOT NULL REFERENCES customers (id),
    total INTEGER NOT NULL, status TEXT NOT NULL
);
"""


def connect():
    db = sqlite3.connect(DATABASE, timeout=10)
    db.row_factory = sqlite3.Row
    return db


def find(db, table, key):
    row = db.execute(f"SELECT * FROM {table} WHERE id = ?", (key,)).fetchone()
    return dict(row) if row else None


# views.py: each runs in a transaction, as with ATOMIC_REQUESTS


def add_customer(db, body):
    customer = {"id": str(uuid.uuid4()), "email": body["email"], "name": body["name"]}
    db.execute("INSERT INTO customers (id, email, name) VALUES (:id, :email, :name)", customer)
    return 201, customer


def add_order(db, body):
    cursor = db.execute("INSERT INTO orders (customer_id, total, status) VALUES (?, ?, 'new')", (body["customer_id"], body["total"]))
    return 201, find(db, "orders", cursor.lastrowid)


def show_order(db, body, key):
    order = find(db, "orders", key)
    return (200, order) if order else (404, {"error": "there is no such order"})


def pay_order(db, body, key):
    db.execute("UPDATE orders SET status = 'paid' WHERE id = ?", (key,))
    order = find(db, "orders", key)
    return 200, order


# urls.py

URLS = [
    ("POST", r"/customers", add_customer),
    ("POST", r"/orders", add_order),
    ("GET", r"(?:/legacy)?/orders/(\d+)", show_order),
    ("POST", r"(?:/legacy)?/orders/(\d+)/pay", pay_order),
    ("GET", r"/healthz", lambda db, body: (200, {"status": "ok"})),
]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_request(self):
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size) or "{}")
        status, answer = 404, {"error": "there is nothing at this path"}
        for method, pattern, view in URLS:
            match = re.fullmatch(pattern, self.path)
            if match and method == self.command:
                db = connect()
                with db:  # the transaction
                    status, answer = view(db, body, *match.groups())
                db.close()
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = handle_request

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    with connect() as connection:
        connection.executescript(SCHEMA)
    ThreadingHTTPServer((HOST, int(PORT)), Handler).serve_forever()
