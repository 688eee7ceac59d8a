package app

import (
	"context"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// registerBuildInfo registers which program a service runs in.
func registerBuildInfo(r prometheus.Registerer, service, version string) {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "troupe_build_info", Help: "1, with the service, its version and that of Go as labels.",
		ConstLabels: prometheus.Labels{"service": service, "version": version, "goversion": runtime.Version()},
	})
	info.Set(1)
	r.MustRegister(info)
}

// registerBusState registers whether a service can use the bus.
func registerBusState(r prometheus.Registerer, bus connectedBus) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "troupe_bus_connected", Help: "1 if events can be published and consumed, 0 while the broker is away or refuses them.",
	}, func() float64 {
		if bus.Impaired() != "" {
			return 0
		}
		return 1
	}))
}

var queueLengthDesc = prometheus.NewDesc("troupe_bus_queue_messages",
	"Messages in the queue of this service that are not acknowledged, each of one or several events; absent while the queue cannot be seen.", nil, nil)

// queueLength asks the bus for the length of a queue each time the metrics are collected.
type queueLength struct {
	bus     connectedBus
	service string
}

func (queueLength) Describe(descs chan<- *prometheus.Desc) { descs <- queueLengthDesc }

func (q queueLength) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if n, err := q.bus.Waiting(ctx, q.service); err == nil {
		metrics <- prometheus.MustNewConstMetric(queueLengthDesc, prometheus.GaugeValue, float64(n))
	}
}

// Registries returns the metrics of each service that runs here, by its name.
func (s *System) Registries() map[string]*prometheus.Registry {
	all := map[string]*prometheus.Registry{}
	for _, m := range s.services {
		all[m.service.Name] = m.instance.Env.Registry
	}
	return all
}
