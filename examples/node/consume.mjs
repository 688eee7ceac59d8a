// Consumes events from RabbitMQ, where the services publish them for programs outside
// (EVENTS_PUBLIC=true):
//
//   npm ci && node consume.mjs amqp://erp:PASSWORD@127.0.0.1:5672/ 'order.paid.v1' 'product.#'
//
// The queue is its own and keeps events while this program is away. An event may come more
// than once: handle it by its id.
import amqp from "amqplib";

const [url, ...types] = process.argv.slice(2);
const exchange = "troupe.events.public";
const queue = "erp.events";

function handle(event) {
  console.log(event.type, event.id, JSON.stringify(event.data));
}

const connection = await amqp.connect(url);
const channel = await connection.createChannel();
await channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
for (const type of types) {
  await channel.bindQueue(queue, exchange, type);
}
await channel.prefetch(100);
await channel.consume(queue, (message) => {
  if (message === null) process.exit(1); // the queue was deleted
  handle(JSON.parse(message.content.toString()));
  channel.ack(message);
});
connection.on("close", () => process.exit(1)); // start it again, for example by systemd
console.log("consuming", types.join(" "));
