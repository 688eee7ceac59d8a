package events

// ProjectionRequested is published when a service has started without what it keeps of
// another service's data. The owner publishes that data again, to this consumer alone.
type ProjectionRequested struct {
	Projection string `json:"projection"` // what the service lacks, for example products
	Consumer   string `json:"consumer"`   // the service that lacks it
}

func (ProjectionRequested) EventType() string { return "projection.requested.v1" }

func (e ProjectionRequested) CorrelationID() string { return e.Projection }
