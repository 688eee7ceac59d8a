package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"troupe/services"
)

// addressesFile is kept in the data folder while the system runs: the addresses of its
// services, so that the operator's commands find it on any ports.
const addressesFile = "addresses.json"

// keepAddresses writes the addresses of the services, and returns what removes them again.
// Without them the commands look at the default ports.
func keepAddresses(dir string, at func(service string) string) (remove func()) {
	file := filepath.Join(dir, addressesFile)
	addresses := map[string]string{}
	for _, name := range services.Names() {
		addresses[name] = at(name)
	}
	text, err := json.Marshal(addresses)
	if err == nil {
		err = writePrivate(file, string(text))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "commands for the operator need --url and --at:", err)
	}
	return func() { _ = os.Remove(file) } // it may be gone with its folder
}

// keptAddress returns the address of a service of the system that runs on the data folder,
// "" if none is known.
func keptAddress(dir, service string) string {
	text, err := os.ReadFile(filepath.Join(dir, addressesFile))
	if err != nil {
		return ""
	}
	var addresses map[string]string
	if err := json.Unmarshal(text, &addresses); err != nil {
		return ""
	}
	return strings.TrimSuffix(addresses[service], "/")
}

// gateway returns the address of the gateway: that of --url, or where 'troupe up' has it.
func (o operator) gateway() string {
	if kept := keptAddress(o.Data, "gateway"); kept != "" && o.URL == defaultGateway {
		return kept
	}
	return o.URL
}
