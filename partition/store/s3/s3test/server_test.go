package s3test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCIInstallsTheServerThatTestsAskFor(t *testing.T) {
	t.Parallel()
	tools, err := os.ReadFile(filepath.Join("..", "..", "..", "..", ".ci", "tools"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(tools), "\nVERSITYGW="+Versity+"\n") {
		t.Errorf(".ci/tools does not say VERSITYGW=%s", Versity)
	}
}
