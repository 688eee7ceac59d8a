package deploy_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/services"
)

func TestTheDevcontainerHasTheToolchainOfTheImagesAndThePortsOfTheServices(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../.devcontainer/devcontainer.json")
	require.NoError(t, err)
	var container struct {
		Image           string
		ForwardPorts    []int
		PortsAttributes map[string]struct{ Label string }
	}
	require.NoError(t, json.Unmarshal(raw, &container))
	toolchain := regexp.MustCompile(`golang:[0-9.]+`)
	dockerfile, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	require.NotEmpty(t, toolchain.FindString(container.Image))
	require.Equal(t, toolchain.FindString(string(dockerfile)), toolchain.FindString(container.Image))
	require.Contains(t, container.ForwardPorts, 8000)
	ports := map[string]string{}
	for port, attributes := range container.PortsAttributes {
		ports[attributes.Label] = port
	}
	for _, s := range services.All {
		if port, labelled := ports[s.Name]; labelled {
			require.Equal(t, strconv.Itoa(s.Port), port, s.Name)
		}
	}
	require.Contains(t, ports, "gateway")
}
