package main

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"rescore/cmd/internal/boot"
)

// TestARoleThatCannotStartSaysWhatToDo: a mistake on the command line ends with code 2
// and its remedy, before anything listens.
func TestARoleThatCannotStartSaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	token, open, short := filepath.Join(dir, "token"), filepath.Join(dir, "open"), filepath.Join(dir, "short")
	for name, text := range map[string]string{token: "a-token-of-this-test\n", open: "a-token-of-this-test\n", short: "short\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	was := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(was)
	coordinator := func(more ...string) []string {
		return append([]string{"coordinator", "--id", "c1", "--dir", dir, "--peers", "c1=127.0.0.1:7300"}, more...)
	}
	worker := func(more ...string) []string {
		return append([]string{"worker", "--coordinators", "127.0.0.1:7300", "--token-file", token}, more...)
	}
	for _, c := range []struct {
		args []string
		says string
		hint string
		code int
	}{
		{[]string{"coordinator"}, "is no ID=HOST:PORT", "--peers c1=h1:7300", boot.Usage},
		{coordinator(), "no token file is named", "RESCORE_TOKEN_FILE", boot.Usage},
		{coordinator("--token-file", open), "has mode 0644", "chmod 600", boot.Usage},
		{coordinator("--token-file", short), "5 characters", "openssl rand", boot.Usage},
		{coordinator("--token-file", filepath.Join(dir, "none")), "read token file", "openssl rand", boot.NotFound},
		{coordinator("--token-file", token, "--id", "c2"), "--id c2 is not among --peers", "list it", boot.Usage},
		{coordinator("--token-file", token, "--memory", "much"), "is no amount of memory", "4GiB", boot.Usage},
		{coordinator("--token-file", token, "--lease-ttl", "-1s"), "is no time", "15s", boot.Usage},
		{coordinator("--token-file", token, "--tls-cert", token), "--tls-cert and --tls-key go with --tls-ca", "--tls-ca", boot.Usage},
		{coordinator("--token-file", token, "--tls-ca", token), "--tls-ca alone", "--tls-cert", boot.Usage},
		{coordinator("--token-file", token, "--nats", "192.0.2.1:4222"), "192.0.2.1 is not this machine", "--insecure", boot.Usage},
		{worker("--nats", "nats://127.0.0.1:4222,nats://192.0.2.1:4222"), "192.0.2.1 is not this machine", "--insecure", boot.Usage},
		{worker("--nats", "nats://"), "a URL of --nats names no host", "nats://n1:4222", boot.Usage},
		{coordinator("--token-file", token, "--peers", "c1=192.0.2.1:7300"), "192.0.2.1 is not this machine", "--insecure", boot.Usage},
		{[]string{"worker", "--token-file", token}, "no coordinator is named", "RESCORE_COORDINATORS", boot.Usage},
		{worker("--coordinators", "h1"), "is no coordinator's address", "HOST:PORT", boot.Usage},
		{worker("--slots", "-1"), "--slots -1", "one per core", boot.Usage},
		{worker("--batch-rows", "-1"), "--batch-rows -1", "default", boot.Usage},
		{worker("--drain", "0s"), "--drain 0s", "60s", boot.Usage},
		{worker("--id", "a b"), "is no name", "without spaces", boot.Usage},
		{worker("--memory", "much"), "is no amount of memory", "4GiB", boot.Usage},
		{worker("--coordinators", "192.0.2.1:7300"), "192.0.2.1 is not this machine", "--insecure", boot.Usage},
		{worker("here"), "was given 1 arguments", "usage", boot.Usage},
	} {
		got := call(t, good(), nil, c.args...)
		if got.code != c.code || !strings.Contains(got.errors, c.says) || !strings.Contains(got.errors, c.hint) || got.out != "" {
			t.Errorf("%v: code %d: %s%s", c.args, got.code, got.out, got.errors)
		}
	}
}

func TestMemoryIsReadInUnits(t *testing.T) {
	was := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(was)
	for text, want := range map[string]int64{"1073741824": 1 << 30, "4GiB": 4 << 30, "2 TiB": 2 << 40, "900MiB": 900 << 20, "2000000KiB": 2_000_000 << 10, "1073741824B": 1 << 30} {
		if err := limitMemory(text); err != nil || debug.SetMemoryLimit(-1) != want {
			t.Errorf("%s: %d bytes, %v", text, debug.SetMemoryLimit(-1), err)
		}
	}
	for _, text := range []string{"0", "-1GiB", "9223372036854775807GiB", "GiB", "1.5GiB", "4GB"} {
		if err := limitMemory(text); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
	if err := limitMemory(""); err != nil {
		t.Error(err)
	}
}

func TestACoordinatorKeepsToItsMemoryUnlessToldOtherwise(t *testing.T) {
	was := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(was)
	for _, c := range []struct {
		env, flag []string
		want      int64
	}{
		{nil, nil, 144 << 20},
		{[]string{"GOMEMLIMIT=1GiB"}, nil, 3 << 30}, // as the runtime read it
		{[]string{"GOMEMLIMIT=1GiB"}, []string{"--memory", "512MiB"}, 512 << 20},
		{nil, []string{"--memory", "512MiB"}, 512 << 20},
	} {
		debug.SetMemoryLimit(3 << 30)
		none := filepath.Join(t.TempDir(), "none")
		got := call(t, good(), c.env, append([]string{"coordinator", "--peers", "c1=127.0.0.1:7300", "--token-file", none}, c.flag...)...)
		if limit := debug.SetMemoryLimit(-1); got.code != boot.NotFound || limit != c.want {
			t.Errorf("%v %v: code %d, %d bytes: %s", c.env, c.flag, got.code, limit, got.errors)
		}
	}
}
