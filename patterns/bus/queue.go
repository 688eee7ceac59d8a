package bus

// QueueName returns the name of the queue from which a service consumes its
// events. It is RabbitMQ's name, and the destination in traces on every bus.
func QueueName(service string) string { return service + ".events.v1" }
