package chaos_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/chaos"
	"troupe/platform/fault"
)

func newFaults() *chaos.Faults {
	return chaos.New(time.Now, func(d time.Duration, end func()) { time.AfterFunc(d, end) })
}

func TestAFaultEndsByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		faults := newFaults()
		broker := faults.Switch("broker", "the broker cannot be reached")
		require.False(t, broker.On())
		began := time.Now()
		_, err := faults.Start("broker", 20*time.Second)
		require.NoError(t, err)
		require.True(t, broker.On())
		require.Equal(t, []chaos.Fault{{Name: "broker", Title: "the broker cannot be reached", EndsAt: began.Add(20 * time.Second)}}, faults.List())
		require.NoError(t, broker.AwaitOff(t.Context()))
		require.Equal(t, 20*time.Second, time.Since(began))
		require.False(t, broker.On())
		require.Equal(t, []chaos.Fault{{Name: "broker", Title: "the broker cannot be reached"}}, faults.List())
	})
}

func TestAFaultThatIsStartedAgainEndsLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		faults := newFaults()
		broker := faults.Switch("broker", "")
		began := time.Now()
		_, err := faults.Start("broker", 10*time.Second)
		require.NoError(t, err)
		<-time.After(5 * time.Second)
		_, err = faults.Start("broker", 10*time.Second)
		require.NoError(t, err)
		require.NoError(t, broker.AwaitOff(t.Context()))
		require.Equal(t, 15*time.Second, time.Since(began))
	})
}

func TestNoFaultLastsLongerThanTwoMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		faults := newFaults()
		broker := faults.Switch("broker", "")
		began := time.Now()
		_, err := faults.Start("broker", time.Hour)
		require.NoError(t, err)
		require.NoError(t, broker.AwaitOff(t.Context()))
		require.Equal(t, chaos.Longest, time.Since(began))
	})
}

func TestADelayEndsWithItsFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		faults := newFaults()
		slow := faults.Switch("slow", "")
		began := time.Now()
		require.NoError(t, slow.Delay(t.Context(), time.Minute), "it is off")
		require.Equal(t, time.Duration(0), time.Since(began))
		_, err := faults.Start("slow", 5*time.Second)
		require.NoError(t, err)
		require.NoError(t, slow.Delay(t.Context(), time.Second))
		require.Equal(t, time.Second, time.Since(began))
		require.NoError(t, slow.Delay(t.Context(), time.Minute))
		require.Equal(t, 5*time.Second, time.Since(began))
	})
}

func TestAFaultCanBeEnded(t *testing.T) {
	t.Parallel()
	faults := newFaults()
	broker, slow := faults.Switch("broker", ""), faults.Switch("slow", "")
	for _, name := range []string{"broker", "slow"} {
		_, err := faults.Start(name, time.Minute)
		require.NoError(t, err)
	}
	require.NoError(t, faults.Stop("broker"))
	require.NoError(t, faults.Stop("broker"), "again")
	require.False(t, broker.On())
	require.True(t, slow.On())
	faults.StopAll()
	require.False(t, slow.On())
}

func TestAnUnknownFaultIsNotFound(t *testing.T) {
	t.Parallel()
	_, err := newFaults().Start("flood", time.Second)
	require.True(t, fault.Is(err, fault.NotFound))
	require.True(t, fault.Is(newFaults().Stop("flood"), fault.NotFound))
}

// Where there is no lab, everything is nil.
func TestWithoutALabEverySwitchIsOff(t *testing.T) {
	t.Parallel()
	var none *chaos.Faults
	s := none.Switch("broker", "")
	require.False(t, s.On())
	require.NoError(t, s.AwaitOff(t.Context()))
	require.NoError(t, s.Delay(t.Context(), time.Hour))
	require.Empty(t, none.List())
	_, err := none.Start("broker", time.Second)
	require.True(t, fault.Is(err, fault.NotFound))
	none.StopAll()
}

func TestASwitchThatIsOffAllocatesNothing(t *testing.T) {
	s := newFaults().Switch("broker", "")
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = s.On() }))
}

func TestConnectionsToAServiceThatIsDownBreak(t *testing.T) {
	t.Parallel()
	faults := newFaults()
	down := faults.Switch("down", "")
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	server := httptest.NewServer(chaos.Unreachable(answer, down, func(r *http.Request) bool { return r.URL.Path == "/lab" }))
	t.Cleanup(server.Close)
	status := func(path string) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, http.NoBody)
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0
		}
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	require.Equal(t, 204, status("/"))
	_, err := faults.Start("down", time.Minute)
	require.NoError(t, err)
	require.Equal(t, 0, status("/"))
	require.Equal(t, 204, status("/lab"))
	faults.StopAll()
	require.Equal(t, 204, status("/"))
}
