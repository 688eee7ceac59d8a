package app

import (
	"runtime"

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

// Registries returns the metrics of each service that runs here, by its name.
func (s *System) Registries() map[string]*prometheus.Registry {
	all := map[string]*prometheus.Registry{}
	for _, m := range s.services {
		all[m.service.Name] = m.instance.Env.Registry
	}
	return all
}
