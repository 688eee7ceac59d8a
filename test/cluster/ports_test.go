package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPortIsReservedWhileItsNodeIsDown(t *testing.T) {
	t.Parallel()
	port, twins, err := reserve(1, 1)
	require.NoError(t, err)
	node, err := listen(port, 1, 1)
	require.NoError(t, err, "its node can listen")
	node.close()
	_, err = reserveAt(port, 1, 1)
	require.Error(t, err, "another test takes the port")
	twins.close()
	twins, err = reserveAt(port, 1, 1)
	require.NoError(t, err)
	twins.close()
}
