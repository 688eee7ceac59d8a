package test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/test/cluster"
)

// Clients that oapi-codegen and ogen made from the gateway's document register, sign in,
// list products and place an order, each as a customer of its own.
func TestGeneratedClientsPlaceOrders(t *testing.T) {
	t.Parallel()
	program := os.Getenv("GENERATED_CLIENTS")
	if program == "" {
		t.Skip("GENERATED_CLIENTS names no program: run scripts/openapi, which builds it")
	}
	s := startSystem(t, cluster.Config{Kind: cluster.InTest})
	for _, generator := range []string{"oapi-codegen", "ogen"} {
		command := exec.CommandContext(t.Context(), program, generator, s.URL("gateway"))
		command.Stderr = t.Output()
		output, err := command.Output()
		require.NoError(t, err, generator)
		id := strings.TrimSpace(string(output))
		placed, err := s.admin.Order(t.Context(), id)
		require.NoError(t, err, generator)
		require.Positive(t, placed.Total.Amount, generator)
	}
}
