package machine

import (
	"os"
	"runtime"
	"testing"
)

func TestThereIsAProcessorMoreWhereTasksKeepAllCoresBusy(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	t.Setenv("GOMAXPROCS", "")
	if err := os.Unsetenv("GOMAXPROCS"); err != nil {
		t.Fatal(err)
	}
	Spare(cores - 1)
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("with a core to spare there are %d processors, were %d", got, before)
	}
	Spare(cores)
	Spare(cores + 3) // a second time is the first
	if got, want := runtime.GOMAXPROCS(0), cores+(cores+7)/8; got != want {
		t.Errorf("%d processors, want %d", got, want)
	}
	runtime.GOMAXPROCS(before)
	t.Setenv("GOMAXPROCS", "1")
	if Spare(cores); runtime.GOMAXPROCS(0) != before {
		t.Error("GOMAXPROCS in the environment does not go before")
	}
}
